import { describe, expect, test, vi } from "vitest";
import { chargeOf, estimateOf, SERVICES, type Service } from "../src/bill/estimate.ts";
import { parametersOf } from "../src/list/filters.ts";
import { BUILT_IN, isSame, nameOf, queryOf, refusalOf } from "../src/views/views.ts";

vi.stubGlobal("location", { pathname: "/traces", search: "" });

describe("a saved view", () => {
  test("keeps filters, order, range and columns, and no selection", () => {
    const address = new URLSearchParams("status=error&sel=abc&range=7d&order_by=cost&metadata.team=a&span=x");
    expect(queryOf(address, null)).toBe("status=error&range=7d&order_by=cost&metadata.team=a");
    expect(new URLSearchParams(queryOf(address, ["time", "cost"])).get("columns")).toBe("time,cost");
    const named = new URLSearchParams("columns=cost");
    expect(queryOf(named, ["time"])).toBe("columns=cost");
  });

  test("is the same in another order", () => {
    expect(isSame("a=1&b=2&a=3", "b=2&a=1&a=3")).toBe(true);
    expect(isSame("a=1", "a=2")).toBe(false);
  });

  test("has a name that the API accepts, whatever its title", () => {
    const taken = [{ name: "slow-trips", title: "Slow trips" }];
    expect(nameOf("Failed Today!", [])).toBe("failed-today");
    expect(nameOf("Slow trips", taken)).toBe("slow-trips");
    expect(nameOf("slow trips?", taken)).toBe("slow-trips-2");
    expect(nameOf("遅い旅行", [])).toBe("view");
    expect(nameOf("遅い旅行", [{ name: "view", title: "旅" }])).toBe("view-2");
    for (const title of ["../../x", "a".repeat(128), "-.-", "Ünïcödé 10 %"])
      expect(nameOf(title, [])).toMatch(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/);
  });

  test("is refused with the reason", () => {
    expect(refusalOf("  ", "a=b")).toContain("title");
    expect(refusalOf("x".repeat(129), "")).toContain("128");
    expect(refusalOf("x", `search=${"y".repeat(5000)}`)).toContain("too long");
    expect(refusalOf("😀".repeat(128), "status=error")).toBeNull();
  });

  test("of everyone finds what failed today by the clock of the reader", () => {
    const [failed] = BUILT_IN;
    const now = Date.parse("2026-11-22T01:30:00Z");
    const parameters = parametersOf(new URLSearchParams(failed?.query), now, "America/New_York");
    expect(parameters).toMatchObject({ status: ["error"], start_date: "2026-11-21T05:00:00.000Z" });
  });
});

describe("the bill", () => {
  test("agrees with the measured units of each kind of trace", () => {
    const perMillion = (spansOfTrace: number) =>
      estimateOf({ traces: 1e6 / spansOfTrace, spans: 1e6, bytesPerSpan: null, retentionDays: 30 }).writing;
    expect(perMillion(1)).toBeCloseTo(2.5, 2);
    expect(perMillion(5) / 0.625).toBeCloseTo(1.04, 2);
    expect(perMillion(41) / 0.625).toBeCloseTo(0.39, 2);
  });

  test("is the sum of its parts, and unknown per span without a span", () => {
    const bill = estimateOf({ traces: 10, spans: 1000, bytesPerSpan: 400, retentionDays: 90 });
    expect(bill.total).toBeCloseTo(bill.writing + bill.counting + bill.requests + (bill.keeping ?? 0), 12);
    expect(bill.keeping).toBeCloseTo(0.0004 * 0.25 * 3, 9);
    expect(bill.perThousandSpans).toBeCloseTo(bill.total, 12);
    const none = estimateOf({ traces: 0, spans: 0, bytesPerSpan: null, retentionDays: 30 });
    expect([none.total, none.perThousandSpans, none.keeping]).toEqual([0, null, null]);
  });

  test("charges a service its fee, and each step above what is included", () => {
    const [langfuse] = SERVICES as [Service];
    expect(chargeOf(langfuse, 10_000, 90_000)).toBe(29);
    expect(chargeOf(langfuse, 0, 200_000)).toBeCloseTo(29 + 8, 6);
    expect(chargeOf(langfuse, 0, 2_000_000)).toBeCloseTo(29 + 72 + 70, 6);
  });

  test("names the source and the day of each price", () => {
    expect(SERVICES).toHaveLength(3);
    for (const service of SERVICES) {
      expect(service.source).toMatch(/^https:/);
      expect(service.read).toMatch(/^20\d\d-\d\d-\d\d$/);
    }
  });
});
