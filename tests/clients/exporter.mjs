// Sends a trace of one root and CHILDREN children with OpenTelemetry's exporter for JavaScript, and prints their ids.
// Usage: node exporter.mjs URL KEY CHILDREN
import { ROOT_CONTEXT, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [url, key, children] = process.argv.slice(2);
const exporter = new OTLPTraceExporter({
  url,
  headers: { authorization: `Bearer ${key}` },
  compression: "gzip",
  timeoutMillis: 30_000,
});
const processor = new BatchSpanProcessor(exporter, { maxExportBatchSize: 10, exportTimeoutMillis: 30_000 });
const provider = new BasicTracerProvider({ spanProcessors: [processor] });
const tracer = provider.getTracer("exporter.mjs");

const root = tracer.startSpan("agent", { attributes: { "gen_ai.operation.name": "invoke_agent" } });
const context = trace.setSpan(ROOT_CONTEXT, root);
const spanIds = [root.spanContext().spanId];
for (let n = 0; n < Number(children); n++) {
  const attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": n,
    "gen_ai.input.messages": JSON.stringify([{ role: "user", parts: [{ type: "text", content: `Grüezi ${n}` }] }]),
  };
  const span = tracer.startSpan("chat gpt-4o-mini", { attributes }, context);
  span.setStatus({ code: SpanStatusCode.OK });
  span.end();
  spanIds.push(span.spanContext().spanId);
}
root.end();
await provider.shutdown();
console.log(JSON.stringify({ trace_id: root.spanContext().traceId, span_ids: spanIds }));
