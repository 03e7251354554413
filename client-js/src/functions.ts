/**
 * Running of a function of any kind inside a scope: plain, async, generator or async generator.
 *
 * The caller gets the same result, or the same exception, as without the scope. The scope of a promise lasts until it
 * settles, and that of a generator from its first item to its last.
 */

/** How many items of a generator are recorded as its output. */
const MAX_ITEMS = 10_000;

/** The scope that a function runs in, such as a step. Its methods never throw. */
export interface Scope {
  begin(): void;
  /** Run code with the scope as the current one. */
  within<R>(run: () => R): R;
  recordResult(value: unknown): void;
  fail(failure: unknown): void;
  end(): void;
}

/** Run the function inside the scope, and return its result. */
export function runInside<S extends Scope, R>(scope: S, run: (scope: S) => R): R {
  scope.begin();
  let result: R;
  try {
    result = scope.within(() => run(scope));
  } catch (failure) {
    endFailed(scope, failure);
    throw failure;
  }
  return followed(scope, result) as R;
}

function followed(scope: Scope, result: unknown): unknown {
  const done = (value: unknown): void => {
    scope.recordResult(value);
    scope.end();
  };
  if (result instanceof Promise && result.constructor !== Promise) {
    // A client's own kind of promise, which may have further methods, is returned itself.
    result.then(done, (failure: unknown) => endFailed(scope, failure));
    return result;
  }
  if (isThenable(result)) {
    // A promise of our own, so that a rejection that nobody handles stays one, and `then` of a lazy query runs once.
    return Promise.resolve(result).then(
      (value) => {
        done(value);
        return value;
      },
      (failure: unknown) => {
        endFailed(scope, failure);
        throw failure;
      },
    );
  }
  const tag = tagOf(result);
  if (tag === "AsyncGenerator") return iterateAsync(scope, result as AsyncGenerator);
  if (tag === "Generator") return iterate(scope, result as Generator);
  done(result);
  return result;
}

function endFailed(scope: Scope, failure: unknown): void {
  scope.fail(failure);
  scope.end();
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  try {
    return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false;
  }
}

function tagOf(value: unknown): string {
  try {
    return Object.prototype.toString.call(value).slice(8, -1);
  } catch {
    return "";
  }
}

function* iterate(scope: Scope, generator: Generator): Generator {
  const items = new Items();
  let resume = (): IteratorResult<unknown> => generator.next();
  let isDone = false;
  try {
    for (;;) {
      const item = scope.within(resume);
      if (item.done) {
        isDone = true;
        scope.recordResult(items.count ? items.output() : item.value);
        return item.value;
      }
      items.add(item.value);
      try {
        const sent: unknown = yield item.value;
        resume = () => generator.next(sent);
      } catch (thrown) {
        resume = () => generator.throw(thrown);
      }
    }
  } catch (failure) {
    isDone = true;
    scope.recordResult(items.output());
    scope.fail(failure);
    throw failure;
  } finally {
    try {
      if (!isDone) {
        // The consumer stopped early: not a failure.
        scope.within(() => generator.return(undefined));
        scope.recordResult(items.output());
      }
    } finally {
      scope.end();
    }
  }
}

async function* iterateAsync(scope: Scope, generator: AsyncGenerator): AsyncGenerator {
  const items = new Items();
  let resume = (): Promise<IteratorResult<unknown>> => generator.next();
  let isDone = false;
  try {
    for (;;) {
      const item = await scope.within(resume);
      if (item.done) {
        isDone = true;
        scope.recordResult(items.count ? items.output() : item.value);
        return item.value;
      }
      items.add(item.value);
      try {
        const sent: unknown = yield item.value;
        resume = () => generator.next(sent);
      } catch (thrown) {
        resume = () => generator.throw(thrown);
      }
    }
  } catch (failure) {
    isDone = true;
    scope.recordResult(items.output());
    scope.fail(failure);
    throw failure;
  } finally {
    try {
      if (!isDone) {
        await scope.within(() => generator.return(undefined));
        scope.recordResult(items.output());
      }
    } finally {
      scope.end();
    }
  }
}

/** The items that a generator has yielded, up to a limit. */
class Items {
  count = 0;
  private readonly items: unknown[] = [];

  add(item: unknown): void {
    this.count += 1;
    if (this.items.length < MAX_ITEMS) this.items.push(item);
  }

  /** The items joined to one text if all are texts, otherwise as a list. */
  output(): unknown {
    if (this.count && this.items.every((item) => typeof item === "string")) return this.items.join("");
    const omitted = this.count - this.items.length;
    return omitted ? [...this.items, `… [cut: ${omitted} more]`] : this.items;
  }
}
