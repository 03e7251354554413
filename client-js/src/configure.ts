/** `configure`, which applies settings to this process and may be called any number of times. */

import { context, trace as otel } from "@opentelemetry/api";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, type SpanProcessor } from "@opentelemetry/sdk-trace-base";

import { contextManager, onExit } from "#platform";

import { Delivery } from "./delivery.js";
import { guarded, logOnce, typeOf } from "./failures.js";
import { Sender } from "./sending.js";
import { type Options, read, type Settings, Unusable } from "./settings.js";
import { shared } from "./shared.js";
import { Tap } from "./state.js";

/**
 * The attribute limit of a span of our own provider.
 *
 * With OpenTelemetry's default of 128, a conversation with one attribute per message loses its end.
 */
const MAX_ATTRIBUTES = 4_096;

/**
 * Send every span of this process to the store at `endpoint`, in the background. Return whether tracing is on.
 *
 * The provider is a new one, which becomes OpenTelemetry's global provider, so that instrumentations use it. If the
 * application has a provider of its own, give it `spanProcessor()` before this call. The last call replaces all
 * settings of earlier ones. Never throws; an error is logged, and the application runs untraced.
 */
export function configure(options: Options = {}): boolean {
  shared.loggedKinds.clear();
  shared.logger = options?.logger ?? console;
  try {
    apply(read(options ?? {}, environment()));
    return true;
  } catch (failure) {
    const reason = failure instanceof Unusable ? failure.message : typeOf(failure);
    logOnce("configure", `Tracing is off: ${reason}.`, "error");
    return false;
  }
}

/**
 * A span processor for the application's own provider: `new NodeSDK({ spanProcessors: [spanProcessor()] })`.
 *
 * All of that provider's spans are sent, and so are those of this package, which then use OpenTelemetry's global
 * provider. Call it before `configure`.
 */
export function spanProcessor(): SpanProcessor {
  shared.hasProcessor = true;
  return new Tap();
}

function apply(settings: Settings): void {
  const previous = shared.delivery;
  shared.delivery = new Delivery(new Sender(settings), settings.limits);
  shared.settings = settings;
  previous?.retire(settings.limits.exportTimeoutMs);
  if (!shared.hasProcessor) shared.tracer ??= newProvider(settings).getTracer("tracestore-client");
  if (!shared.hasExitHook) {
    shared.hasExitHook = true;
    onExit(() => guarded("exit", undefined, sendBeforeExit));
  }
}

function newProvider(settings: Settings): BasicTracerProvider {
  const name = settings.serviceName ? { "service.name": settings.serviceName } : {};
  const detected = detectResources({ detectors: [envDetector] });
  const limits = ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"];
  const isLimited = limits.some((variable) => environment()[variable]);
  const provider = new BasicTracerProvider({
    resource: defaultResource().merge(detected).merge(resourceFromAttributes(name)),
    spanProcessors: [new Tap()],
    ...(isLimited ? {} : { spanLimits: { attributeCountLimit: MAX_ATTRIBUTES } }),
  });
  const manager = contextManager();
  if (manager) context.setGlobalContextManager(manager); // has no effect if the application has one
  if (!otel.setGlobalTracerProvider(provider)) {
    logOnce(
      "provider",
      "The application has a tracer provider: only spans of tracestore-client are sent. To send its spans too, " +
        "create it with spanProcessor() of tracestore-client, before configure().",
    );
  }
  return provider;
}

function sendBeforeExit(): void {
  const { delivery, settings } = shared;
  if (!delivery || !settings || !delivery.stats().queued) return;
  void delivery.flush(settings.limits.exitTimeoutMs).then(async (isDone) => {
    if (!isDone) await delivery.stop(0);
  });
}

/** The environment variables, where there are any. */
function environment(): Record<string, string | undefined> {
  return (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env ?? {};
}
