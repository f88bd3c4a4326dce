/** The one part of undici that is used, without its front door; undici's own types describe it. */
declare module "undici/lib/dispatcher/agent.js" {
  export { Agent as default } from "undici";
}
