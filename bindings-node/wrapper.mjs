// The ESM face: the same three names as the CommonJS export, and no default.
import ferrio from "./dist/index.js";

export const { Server, Namespace, Socket } = ferrio;
