/** Request and event ids, drawn from a pool of random bytes so that one request costs no system call. */

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const HEX = "0123456789abcdef";
const POOL_BYTES = 4096;
const REQUEST_CHARACTERS = 52;

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
      const from = draw(REQUEST_CHARACTERS);
      let id = "req_";
      for (let i = from; i < from + REQUEST_CHARACTERS; i++) id += BASE32[pool[i]! & 31];
      return id;
    },
    uuid() {
      const from = draw(32);
      let id = "";
      for (let i = 0; i < 32; i++) {
        if (i === 8 || i === 12 || i === 16 || i === 20) id += "-";
        const nibble = pool[from + i]! & 15;
        id += HEX[i === 12 ? 4 : i === 16 ? 8 | (nibble & 3) : nibble];
      }
      return id;
    },
  };
}
