"""The constant dictionaries of packed attributes: text and tables that zstd starts with.

Stored bytes depend on them, so none is ever edited. Another dictionary is a format with a byte of its own (`codec`),
and the former ones stay for reading.
"""

from typing import Final

FIELD_NAMES_01: Final = (
    b'{"c":1795312800000,"u":1795312800000,"k":["","x":["s":{"root_span_id":"","name":"agent.run","status":"success",'
    b'"start_ns":1795312800000000000,"end_ns":1795312800000000000,"span_count":1,"error_count":0,"usage":{'
    b'"llm_call_count":1,"input_tokens":1,"output_tokens":1,"total_tokens":1,"cached_input_tokens":0,'
    b'"cache_write_tokens":0,"reasoning_tokens":0,"cost_nano_usd":null},"conversation_id":null,"end_user_id":null,'
    b'"lesson_id":null,"values":{"operation_type":["agent","completion","embedding","tool_call"],"model_name":["gpt-4o-mini",'
    b'"claude-sonnet"],"model_provider":["anthropic","openai","google"],"span_name":["chat.completion","llm.completion","tool."],'
    b'"error_type":[""],"tool_name":[""],"service_name":["-service"],"message_id":[""]},"values_cut":[],"previews":["",["'
    b'[{"h":"","t":1795312800000,"r":0,"s":[[["io","iom",{"message_id":"","model_version":"","error_message":"","error_type":"",'
    b'"conversation_id":"","cost_nano_usd":1000,"end_ns":1795312800,"input_tokens":1,"model_name":"gpt-4o","model_provider":"openai",'
    b'"operation_type":"completion","output_tokens":1,"parent_span_id":"","service_name":"","span_id":"","span_name":"chat.completion",'
    b'"start_ns":1795312800,"status":"success","total_tokens":1}]]},'
    b'[{"input_data":{"messages":[{"role":"system","parts":[{"type":"text","text":"You are a helpful assistant."}]},'
    b'{"role":"assistant","parts":[{"type":"tool_call","id":"call_","name":"","arguments":{"type":"tool_result","id":"call_","result":"'
    b'"metadata":{"temperature":0.2,"max_tokens":1024},"output_data":{"messages":[{"role":"assistant","parts":[{"type":"text","text":"'
    b'{"role":"user","parts":[{"type":"text","text":"'
)
"""The dictionary of format 01, by its text alone."""

FIELD_NAMES_03: Final = (
    '{"p":[["","49590338271490256608559692538361571095921575989136588898",498698]],"c":{"n":[["agent","","","success"],'
    '"m":[[[1,1000],[73],[]]],"t":[[1,0],"v":{"status":{"success":1},"d":[[1000,""]],"f":1795312800000000000,'
    '"l":1795312800000000000,"r":[1795312800000000000,""],"x":1797904800},"x":1797904800}'
    '{"c":1795312800000,"u":1795312800000,"s":{"root_span_id":"","name":"agent.run","status":"success",'
    '"start_ns":1795312800000000000,"end_ns":1795312800000000000,"span_count":1,"error_count":1,"usage":{'
    '"llm_call_count":1,"input_tokens":1,"output_tokens":1,"total_tokens":1,"cached_input_tokens":1,'
    '"cache_write_tokens":1,"reasoning_tokens":1,"cost_nano_usd":1000,"wasted_nano_usd":1000},"conversation_id":"",'
    '"end_user_id":"","lesson_id":"","values":{"operation_type":["agent","chain","completion","embedding","retrieval",'
    '"tool_call"],"model_name":["gpt-4o-mini"],"model_provider":["openai"],"span_name":["agent.run","llm.completion",'
    '"tool."],"error_type":[""],"tool_name":[""],"end_user_id":["user"],"service_name":["-service"],"message_id":[""],'
    '"environment":["production"],"release":["v1"],"tag":[""]},"values_cut":["previews":["","…",["","…",null,["","'
    '"]],"is_lesson":true,"environment":"production","release":"","is_interrupted":true,"attempts":[["",[""],"answered"'
    ',0]],"has_retry":true,"has_fallback":true,"stats":{"r":[[1994792,"agent","","","success",[1,9000000],[169],[]],'
    '[1994792,"completion","openai","gpt-4o-mini","success",[1,2000000,9000,10,2],[144],[]],'
    '[1994792,"completion","anthropic","claude-sonnet-4-5","error",[1,1000000,0,0,0,0,0,0,0,0,1],[104,2,1],[]],'
    '[1994792,"embedding","google","gemini-2.5-flash","pending",[1994792,"tool_call","","","success",[2,900000],'
    '[123,20],[]]],"e":[[1994792,"'
    '"],"m":["",[[498698,"",1,[1,700000],[143],[]],[498698,"",1,[2,100000],[123],[2,1]]],"",""],"m":["","",[],"",""]}}'
    ',"k":"","x":[],"l":1795312800000,"b":1000,"f":['
    '[{"b":"","n":1000,"h":"","t":1795312800000,"r":0,"s":[["","imke",{"parent_span_id":"","operation_type":"agent",'
    '"scope_name":"","message_id":"","model_version":"","error_message":"","error_type":"","environment":"production",'
    '"release":"","tags":[""],"prompt_name":"","prompt_version":"","service_tier":"","time_to_first_token_ms":100,'
    '"finish_reason":"stop","usage_details":{"cached_input_tokens":1,"status":"success"}],["","io",{"parent_span_id":"",'
    '"operation_type":"tool_call","end_ns":1795312800000000000,"conversation_id":"","tool_name":"","end_user_id":"",'
    '"service_name":"","span_id":"","span_name":"tool.","start_ns":1795312800000000000,"input_preview":"{\\"query\\": '
    '\\""}],["","iom",{"parent_span_id":"","operation_type":"completion","end_ns":1795312800000000000,'
    '"model_name":"gpt-4o-mini","model_provider":"openai","conversation_id":"","input_tokens":1,"output_tokens":1,'
    '"total_tokens":1,"cost_nano_usd":1000,"end_user_id":"","service_name":"","span_id":"","span_name":"llm.completion"'
    ',"start_ns":1795312800000000000,"output_preview":"…","fingerprint":""}]]}]}'
    '[{"metadata":{"attributes":{"gen_ai":{"resource":{"service":{"name":"","version":""},"telemetry":{"sdk":{'
    '"language":"python","name":"opentelemetry","version":"1."}}},"scope":{"name":"","version":""}},"error_stack":"",'
    '"events":[{"name":"exception","time_ns":1795312800000000000,"attributes":{"links":[{"trace_id":"",'
    '"log_messages":[[1795312800000000000,0,"input",{"role":"",'
    '[{"input_data":{"query":"","limit":10},"output_data":{"text":"","result":"'
    '[{"input_data":{"messages":[{"role":"system","parts":[{"type":"text","text":"You are a helpful assistant."}]},'
    '{"role":"assistant","parts":[{"type":"tool_call","id":"call_","name":"","arguments":{"type":"tool_result",'
    '"id":"call_","result":"","metadata":{"temperature":0.2,"max_tokens":1024},"output_data":{"messages":['
    '{"role":"assistant","parts":[{"type":"text","text":"'
    '{"role":"user","parts":[{"type":"text","text":"'
).encode()
"""Text that most values contain. zstd refers to it instead of storing it again, which halves small items."""

TABLES_03: Final = bytes.fromhex(
    "37a430eca0c20e373810b89ab40dfcffff1f575555553dbf0e8bec7b6587edb6069b2ca5c84e3ffb6e978f8c884520adb5eae8bbfabb49a8"
    "49ec68be850df87f2f43010014128c48e6037ad90a000420cd4f8c874605c6c1602c188c09436110a328088220640c30c420829451e66604"
    "000000a44d26e5a3a14c1e8b9228ca61082364880802000000010000000400000008000000"
)
"""How often each symbol occurs in values, in zstd's dictionary format (RFC 8878, section 5), to stand before the text.

A small value is then stored without tables of its own, which would be a tenth of it. Made by `dev/dictionary.py` from
generated traces and from recorded exports."""
