/** Layered TOML settings with the origin of every value. */

export { readTable } from "./check.ts";
export { readConfigFile } from "./disk.ts";
export { readDotEnv } from "./dotenv.ts";
export type { Settings } from "./keys/settings.ts";
export type { Explanation, LayerKind, Origin } from "./layers.ts";
export { type Config, type ConfigSources, loadConfig } from "./load.ts";
export type { Project, Trust } from "./project.ts";
export {
  anything,
  checked,
  either,
  type Field,
  flag,
  integer,
  list,
  map,
  number,
  open,
  required,
  table,
  text,
  type ValueOf,
  withDefault,
} from "./schema.ts";
export { parseToml, type TomlDocument } from "./toml.ts";
