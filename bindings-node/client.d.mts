export * from "./dist/client/index.js";
export { io as default } from "./dist/client/index.js";
