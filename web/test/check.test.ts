import { expect, test } from "vitest";
import { cleaned } from "../src/auth/check.ts";

test.each(["tsk_a", " tsk_a\n", "Bearer tsk_a", "authorization: bearer tsk_a", '"tsk_a"', "tsk_\n  a"])(
  "%j is pasted as a credential",
  (text) => {
    expect(cleaned(text)).toBe("tsk_a");
  },
);
