/** Request and event ids, drawn from a pool of random bytes so that one request costs no system call. */

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
/** Two characters at a time. */
const BASE32_PAIRS = Array.from({ length: 1024 }, (_, i) => BASE32[i >> 5]! + BASE32[i & 31]!);
const HEX_PAIRS = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
const POOL_BYTES = 8_192;
const REQUEST_PAIRS = 26;

export interface Ids {
  /** `req_` and 52 base-32 characters, as Mantle writes `x-request-id` (aws-wire §1.7). */
  request(): string;
  /** A version-4 UUID. */
  uuid(): string;
}

/** `random` returns that many fresh random bytes. */
export function createIds(random: (size: number) => Uint8Array): Ids {
  let pool: Uint8Array = new Uint8Array(0);
  let used = 0;
  /** Where `size` unused bytes begin. */
  const draw = (size: number): number => {
    if (used + size > pool.length) {
      pool = random(POOL_BYTES);
      used = 0;
    }
    used += size;
    return used - size;
  };
  return {
    request() {
      let at = draw(2 * REQUEST_PAIRS);
      let id = "req_";
      for (let pairs = 0; pairs < REQUEST_PAIRS; pairs++) {
        id += BASE32_PAIRS[((pool[at++]! << 8) | pool[at++]!) & 1023]!;
      }
      return id;
    },
    uuid() {
      const at = draw(16);
      let id = "";
      for (let i = 0; i < 16; i++) {
        const byte = pool[at + i]!;
        if (i === 4 || i === 6 || i === 8 || i === 10) id += "-";
        id += HEX_PAIRS[i === 6 ? 0x40 | (byte & 0x0f) : i === 8 ? 0x80 | (byte & 0x3f) : byte]!;
      }
      return id;
    },
  };
}
