import { describe, expect, it } from "vitest";
import { SafeStorage } from "../src/lib/storage.ts";

/** A storage that takes so many texts, and refuses more. */
function storageFor(most: number): Storage {
  const texts = new Map<string, string>();
  return {
    getItem: (key: string) => texts.get(key) ?? null,
    setItem: (key: string, value: string) => {
      if (!texts.has(key) && texts.size >= most) throw new DOMException("full", "QuotaExceededError");
      texts.set(key, value);
    },
    removeItem: (key: string) => void texts.delete(key),
  } as unknown as Storage;
}

function blocked(): Storage {
  throw new DOMException("denied", "SecurityError");
}

describe("SafeStorage", () => {
  it("keeps texts in the browser's storage", () => {
    const browser = storageFor(1);
    new SafeStorage(() => browser).set("a", "1");
    expect(new SafeStorage(() => browser).get("a")).toBe("1");
  });

  it("keeps texts itself where the browser blocks its storage", () => {
    const storage = new SafeStorage(blocked);
    expect(storage.get("a")).toBeNull();
    storage.set("a", "1");
    expect(storage.get("a")).toBe("1");
    storage.remove("a");
    expect(storage.get("a")).toBeNull();
  });

  it("keeps the last text where the storage is full", () => {
    const browser = storageFor(0);
    const storage = new SafeStorage(() => browser);
    storage.set("a", "1");
    storage.set("a", "2");
    expect(storage.get("a")).toBe("2");
  });

  it("returns no text that is not JSON as JSON", () => {
    const storage = new SafeStorage(blocked);
    storage.set("a", "{");
    expect(storage.json("a")).toBeNull();
    storage.set("a", '{"b":1}');
    expect(storage.json("a")).toEqual({ b: 1 });
  });
});
