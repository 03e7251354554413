import { expect, test } from "vitest";
import { baseOf } from "../src/base.ts";

test.each([
  ["/traces/assets/index-x.js", ""],
  ["/prod/traces/assets/index-x.js", "/prod"],
  ["/a/traces/b/traces/assets/index-x.js", "/a/traces/b"],
  ["/src/main.ts", ""],
])("the base of %s is %o", (path, base) => {
  expect(baseOf(path)).toBe(base);
});
