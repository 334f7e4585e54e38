// Counts and prints. The last line, `N passed, N failed`, is what CI reads.

export class Report {
  #passed = 0;
  #failures = [];
  #skipped = 0;
  failedInRow = 0; // many: the server is beyond help
  #verbose;

  constructor(verbose = false) {
    this.#verbose = verbose;
  }

  async test(title, body) {
    const started = Date.now();
    try {
      await body();
      this.#passed++;
      this.failedInRow = 0;
      if (this.#verbose) console.log(`ok   ${title} (${Date.now() - started} ms)`);
    } catch (error) {
      this.#failures.push(title);
      this.failedInRow++;
      console.log(`FAIL ${title}\n     ${error.message}`);
    }
  }

  skip(title, why) {
    this.#skipped++;
    if (this.#verbose) console.log(`skip ${title}: ${why}`);
  }

  /** Prints the summary and gives the exit code. */
  close(name) {
    if (this.#failures.length > 0) console.log(`\nFailed on ${name}:\n${this.#failures.map((title) => `  ${title}`).join("\n")}`);
    console.log(`${name}: ${this.#passed} passed, ${this.#failures.length} failed${this.#skipped ? `, ${this.#skipped} skipped` : ""}`);
    return this.#failures.length > 0 ? 1 : 0;
  }
}
