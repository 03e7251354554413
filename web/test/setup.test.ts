import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EXPIRIES, expiryOf } from "../src/setup/expiry.ts";
import { keyCommands, PLACEHOLDER, waysOf } from "../src/setup/ways.ts";

const DOCS = new URL("../../docs/", import.meta.url);
const documented = [
  ...readdirSync(new URL("sending/", DOCS)).map((name) => `sending/${name}`),
  "api.md",
  "mcp.md",
]
  .map((name) => readFileSync(new URL(name, DOCS), "utf8"))
  .join("\n");

describe("ways of sending", () => {
  const base = "https://traces.example.com/prod";
  const ways = waysOf(base, "tsk_secret");

  it("contain the address and the key", () => {
    for (const way of ways) {
      const code = way.steps.map((step) => step.code).join("\n");
      expect(code, way.id).toContain(base);
      expect(code, way.id).toContain("tsk_secret");
      expect(code, way.id).not.toContain(PLACEHOLDER);
    }
  });

  it("are documented, with each of their variables and commands", () => {
    for (const way of ways) {
      expect(() => readFileSync(new URL(`../../${way.more}`, import.meta.url)), way.more).not.toThrow();
      for (const { code } of way.steps) {
        for (const [, variable] of code.matchAll(/^export (\w+)=/gm)) expect(documented).toContain(variable);
        if (/^(pip|npm) install/.test(code)) expect(documented).toContain(code);
        if (code.includes("import ")) {
          for (const line of code.split("\n").filter((text) => /^(from|import) /.test(text)))
            expect(documented).toContain(line);
        }
      }
    }
  });

  it("show whole programs of the documentation", () => {
    for (const id of ["python", "javascript"]) {
      expect(documented).toContain(ways.find((way) => way.id === id)?.steps.at(-1)?.code);
    }
  });

  it("let coding agents read only", () => {
    expect(ways.filter((way) => way.scope === "read").map((way) => way.id)).toEqual(["agents"]);
  });
});

describe("the commands for keys", () => {
  it("use the local server's tokens where the page is local", () => {
    const [token, create] = keyCommands("http://127.0.0.1:8000", "demo");
    expect(token?.code).toBe("TOKEN=$(.venv/bin/tracestore token --user demo)");
    expect(create?.code).toContain('curl "http://127.0.0.1:8000/api/keys"');
    expect(keyCommands("http://localhost:8000", "a'b; ls")[0]?.code).toBe(
      "TOKEN=$(.venv/bin/tracestore token --user 'a'\\''b; ls')",
    );
  });

  it("name the identity provider elsewhere", () => {
    const [token] = keyCommands("https://traces.example.com", "demo");
    expect(token?.code).toBe("TOKEN=eyJ…");
    expect(token?.label).toContain("identity provider");
  });
});

describe("the expiry of a key", () => {
  it("is a time from now on, or null", () => {
    const now = Date.parse("2026-11-28T10:00:00Z");
    expect(expiryOf("30d", now)).toBe("2026-12-28T10:00:00.000Z");
    expect(expiryOf("never", now)).toBeNull();
    expect(expiryOf("unknown", now)).toBeNull();
    expect(Object.keys(EXPIRIES)).toContain("never");
  });
});
