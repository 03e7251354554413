// Marks the files of dist/cjs as CommonJS. Their nearest package.json is this one, so it repeats the imports.
import { readFileSync, writeFileSync } from "node:fs";

const { imports } = JSON.parse(readFileSync("package.json", "utf8"));
for (const [condition, path] of Object.entries(imports["#platform"])) {
  imports["#platform"][condition] = path.replace("./dist/esm/", "./");
}
writeFileSync("dist/cjs/package.json", JSON.stringify({ type: "commonjs", imports }, null, 2));
