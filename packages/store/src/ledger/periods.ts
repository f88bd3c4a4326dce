/** Calendar periods in UTC, as ranges of whole days. Pure. */

import type { Period } from "../ports.ts";

const DAY_MS = 86_400_000;

/** Days since 1970-01-01; `to` is the first day that is not in it. */
export interface Days {
  from: number;
  to: number;
}

export function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}

/** The period around `day`. Weeks start on Monday. */
export function periodAround(period: Period, day: number): Days {
  switch (period) {
    case "daily":
      return { from: day, to: day + 1 };
    case "weekly": {
      const monday = day - ((day + 3) % 7); // 1970-01-01 was a Thursday
      return { from: monday, to: monday + 7 };
    }
    case "monthly": {
      const date = new Date(day * DAY_MS);
      const first = (month: number) => dayOf(Date.UTC(date.getUTCFullYear(), month, 1));
      return { from: first(date.getUTCMonth()), to: first(date.getUTCMonth() + 1) };
    }
    case "total":
      return { from: 0, to: Number.MAX_SAFE_INTEGER };
  }
}

/** When the period around `at` ends, RFC 3339; never for `total`. */
export function resetOf(period: Period, at: number): string | undefined {
  if (period === "total") return undefined;
  return new Date(periodAround(period, dayOf(at)).to * DAY_MS).toISOString();
}
