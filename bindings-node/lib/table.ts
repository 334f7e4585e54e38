/** Things by the number the engine gave them: the slot is in the low 32 bits, a generation above. @internal */
export class Table<T extends { readonly _key: number }> {
  private readonly slots: (T | undefined)[] = [];

  get(key: number): T | undefined {
    const thing = this.slots[key >>> 0];
    return thing !== undefined && thing._key === key ? thing : undefined;
  }

  add(thing: T): void {
    this.slots[thing._key >>> 0] = thing;
  }

  delete(key: number): void {
    if (this.get(key) !== undefined) this.slots[key >>> 0] = undefined;
  }
}
