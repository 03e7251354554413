/** A context manager on the `AsyncLocalStorage` of a runtime that is not Node. */

import { type Context, type ContextManager, ROOT_CONTEXT } from "@opentelemetry/api";

import type { LocalStorage } from "./transport.js";

export class StorageContextManager implements ContextManager {
  constructor(private readonly storage: LocalStorage<Context>) {}

  active(): Context {
    return this.storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.storage.run(context, () => fn.call(thisArg as ThisParameterType<F>, ...args));
  }

  bind<T>(context: Context, target: T): T {
    if (typeof target !== "function") return target;
    const { storage } = this;
    return function (this: unknown, ...args: unknown[]): unknown {
      return storage.run(context, () => target.apply(this, args) as unknown);
    } as T;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}
