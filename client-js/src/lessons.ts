/**
 * Lessons by the names of functions.
 *
 * JavaScript has no way to replace a function that other modules have imported: an ES module's exports are constant. A
 * function is therefore wrapped where it is defined, by `lesson`, or in the object that it is called through, by
 * `wrapLesson`. A wrapper looks up its rule at each call, so `configure` may be called later, and again.
 */

import { guarded, logOnce } from "./failures.js";
import { runInside, type Scope } from "./functions.js";
import { type LessonRule, ruleOf } from "./settings.js";
import { shared } from "./shared.js";
import { Lesson } from "./steps.js";

type AnyFunction = (this: any, ...args: any[]) => unknown;

const WRAPPED = Symbol.for("tracestore-client lesson");

/**
 * A function that runs `run` as a lesson at each call: its arguments are the request, its result is the response.
 *
 * `name` is the name in the rules of `configure({ lessons })`, which take precedence over `rule`.
 */
export function lesson<F extends AnyFunction>(name: string, run: F, rule: LessonRule | string | number = {}): F {
  return guarded("lesson", run, () => {
    if (typeof run !== "function") {
      logOnce(`lesson ${name}`, `Cannot trace lessons of ${name}: it is not a function.`, "error");
      return run;
    }
    const ownRule = ruleOf(name, rule);
    const wrapper = function (this: unknown, ...args: unknown[]): unknown {
      const configured = guarded("lesson", undefined, () => shared.settings?.lessons.get(name));
      if (configured === false) return run.apply(this, args);
      const scope = guarded<Scope>("lesson", NOTHING, () => begin(name, { ...ownRule, ...configured }, args));
      return runInside(scope, () => run.apply(this, args));
    };
    Object.defineProperties(wrapper, {
      name: { value: run.name, configurable: true },
      length: { value: run.length, configurable: true },
      [WRAPPED]: { value: name },
    });
    return wrapper as unknown as F;
  });
}

/**
 * Trace each call of a method of `owner` as a lesson. Return whether it could be replaced.
 *
 * `owner` is an object, the exports of a CommonJS module, or the prototype of a class. The exports of an ES module
 * cannot be replaced: use `lesson` there. The name for the rules of `configure` is that of the method, unless `name` is
 * given. Has no effect when repeated.
 */
export function wrapLesson(
  owner: object,
  method: string,
  rule: LessonRule | string | number = {},
  name: string = method,
): boolean {
  return guarded("wrapLesson", false, () => {
    const run = (owner as Record<string, unknown>)[method] as (AnyFunction & { [WRAPPED]?: string }) | undefined;
    if (typeof run !== "function") {
      logOnce(`lesson ${name}`, `Cannot trace lessons of ${name}: the object has no such function.`, "error");
      return false;
    }
    if (run[WRAPPED] === name) return true;
    const wrapper = lesson(name, run, rule);
    if (!Reflect.set(owner, method, wrapper) || (owner as Record<string, unknown>)[method] !== wrapper) {
      const remedy = "its exports are constant; wrap the function where it is defined, with lesson()";
      logOnce(`lesson ${name}`, `Cannot trace lessons of ${name}: ${remedy}.`, "error");
      return false;
    }
    return true;
  });
}

function begin(name: string, rule: LessonRule, args: unknown[]): Lesson {
  const lessonId = guarded("lessonId", undefined, () => selected(args, rule.lessonId));
  const request = guarded("request", undefined, () => recorded(args, rule.exclude));
  return new Lesson({ name: rule.name ?? `lesson ${name}`, lessonId: lessonId as string, request });
}

/** The value of a call's arguments that a rule selects; undefined when there is none. */
function selected(args: unknown[], selector: LessonRule["lessonId"]): unknown {
  if (selector === undefined || typeof selector === "number") return selector === undefined ? selector : args[selector];
  if (typeof selector === "function") return selector(...args);
  const path = selector.split(".");
  const isPosition = /^\d+$/.test(path[0]!);
  let value: unknown = isPosition ? args : args.find((argument) => isObject(argument) && path[0]! in argument);
  for (const key of path) value = isObject(value) ? (value as Record<string, unknown>)[key] : undefined;
  return value;
}

/** The arguments without those that a rule excludes. */
function recorded(args: unknown[], exclude: LessonRule["exclude"] = []): unknown {
  const excluded = new Set((Array.isArray(exclude) ? exclude : [exclude]).map(String));
  const kept = args
    .filter((_, position) => !excluded.has(String(position)))
    .map((argument) => {
      const prototype: unknown = isObject(argument) && Object.getPrototypeOf(argument);
      if (!excluded.size || (prototype !== Object.prototype && prototype !== null)) return argument;
      return Object.fromEntries(Object.entries(argument as object).filter(([key]) => !excluded.has(key)));
    });
  return kept.length > 1 ? kept : kept[0];
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** A scope that records nothing, for calls that are not traced. */
const NOTHING: Scope = {
  begin() {},
  within: (run) => run(),
  recordResult() {},
  fail() {},
  end() {},
};
