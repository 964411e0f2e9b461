// The one generic door to every operator: look it up in the dispatcher, convert the arguments by its schema, call it boxed, at once or in
// Node's thread pool.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <memory>
#include <mutex>
#include <sstream>

#include "convert.h"
#include "errors.h"
#include "exports.h"
#include "handles.h"
#include "memory.h"

namespace csrm {

namespace {

constexpr size_t kMaxArguments = 24;

struct Operator {
  std::string name;
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
  std::vector<int32_t> returned_argument;  // in-place and out= results: which argument comes back, else -1

  Operator(std::string full_name, c10::OperatorHandle op) : name(std::move(full_name)), handle(op) {
    const auto& schema = op.schema();
    for (const auto& argument : schema.arguments()) parameters.push_back(Parameter::from(argument));
    for (const auto& result : schema.returns()) {
      int32_t index = -1;
      if (result.alias_info() && result.alias_info()->isWrite())
        for (size_t i = 0; i < schema.arguments().size(); ++i) {
          const auto* alias = schema.arguments()[i].alias_info();
          if (alias && alias->isWrite() && alias->beforeSets() == result.alias_info()->beforeSets()) index = static_cast<int32_t>(i);
        }
      returned_argument.push_back(index);
    }
  }
};

std::string describe_argument(const c10::IValue& value) {
  std::ostringstream out;
  if (value.isTensor()) {
    const auto& t = value.toTensor();
    if (!t.defined()) return "undefined";
    out << dtype_name(t.scalar_type()) << '[';
    for (int64_t i = 0; i < t.dim(); ++i) out << (i ? "," : "") << t.size(i);
    out << ']';
    if (!t.is_cpu()) out << ' ' << t.device().str();
  } else if (value.isTensorList()) {
    out << "tensors(" << value.toTensorVector().size() << ')';
  } else if (value.isNone()) {
    out << "none";
  } else if (value.isInt() || value.isDouble() || value.isBool() || value.isIntList() || value.isDoubleList() || value.isString()) {
    out << value;
  } else {
    out << value.tagKind();
  }
  return out.str();
}

std::string describe_call(const Operator& op, const std::vector<c10::IValue>& arguments, const char* what) {
  std::string message = op.name + ": " + what;
  std::string shown;
  for (size_t i = 0; i < arguments.size(); ++i)
    if (!arguments[i].isNone()) shown += (shown.empty() ? "" : ", ") + op.parameters[i].name + " " + describe_argument(arguments[i]);
  return shown.empty() ? message : message + "\n  arguments: " + shown;
}

napi_value result_of(napi_env env, const Operator& op, size_t i, c10::IValue&& value) {
  napi_value result;
  if (op.returned_argument[i] >= 0) {
    napi_get_undefined(env, &result);  // the caller already holds this tensor
    return result;
  }
  return from_ivalue(env, std::move(value));
}

std::vector<c10::IValue> converted(napi_env env, const Operator& op, const Arguments<kMaxArguments>& given) {
  const size_t count = op.parameters.size();
  if (given.count > count) throw std::invalid_argument("expected at most " + std::to_string(count) + " arguments, got " + std::to_string(given.count));
  std::vector<c10::IValue> stack;
  stack.reserve(std::max<size_t>(count, op.returned_argument.size()));
  for (size_t i = 0; i < count; ++i) {
    try {
      stack.push_back(to_ivalue(env, given[i], op.parameters[i]));
    } catch (const std::exception& error) {
      throw std::invalid_argument("argument " + op.parameters[i].name + ": " + error.what());
    }
  }
  return stack;
}

napi_value results_of(napi_env env, const Operator& op, std::vector<c10::IValue>& stack) {
  napi_value result = nullptr;
  if (stack.size() == 1) {
    result = result_of(env, op, 0, std::move(stack[0]));
  } else if (!stack.empty()) {
    napi_create_array_with_length(env, stack.size(), &result);
    for (uint32_t i = 0; i < stack.size(); ++i) napi_set_element(env, result, i, result_of(env, op, i, std::move(stack[i])));
  }
  return result;
}

napi_value call(napi_env env, napi_callback_info info) {
  Arguments<kMaxArguments> given(env, info);
  const Operator& op = *static_cast<Operator*>(given.data);
  std::vector<c10::IValue> stack;
  std::vector<c10::IValue> shown;  // filled only when the call fails
  return guarded(
      env,
      [&]() -> napi_value {
        drop_unreferenced_buffers(env);
        stack = converted(env, op, given);
        try {
          op.handle.callBoxed(&stack);
        } catch (...) {
          // The stack may be half consumed; convert once more for the message. Nothing was returned yet, so this is safe.
          shown = converted(env, op, given);
          throw;
        }
        return results_of(env, op, stack);
      },
      [&](const char* what) { return describe_call(op, shown, what); });
}

// A call in Node's thread pool. The stack keeps its tensors alive, whatever JavaScript does with their handles.
struct Later {
  const Operator* op;
  std::vector<c10::IValue> stack;
  std::string error;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

void call_in_pool(napi_env, void* data) {
  auto* later = static_cast<Later*>(data);
  const at::NoGradGuard no_grad;
  const std::vector<c10::IValue> given = later->stack;
  try {
    later->op->handle.callBoxed(&later->stack);
  } catch (const c10::Error& error) {
    later->error = describe_call(*later->op, given, error.what_without_backtrace());
  } catch (const std::exception& error) {
    later->error = describe_call(*later->op, given, error.what());
  }
}

void settle(napi_env env, napi_status, void* data) {
  const std::unique_ptr<Later> later(static_cast<Later*>(data));
  napi_value result = nullptr;
  if (later->error.empty()) {
    result = results_of(env, *later->op, later->stack);
    if (!result) napi_get_undefined(env, &result);
    napi_resolve_deferred(env, later->deferred, result);
  } else {
    napi_value message;
    napi_create_string_utf8(env, later->error.data(), later->error.size(), &message);
    napi_create_error(env, nullptr, message, &result);
    napi_reject_deferred(env, later->deferred, result);
  }
  napi_delete_async_work(env, later->work);
}

// The same as a promise.
napi_value call_later(napi_env env, napi_callback_info info) {
  Arguments<kMaxArguments> given(env, info);
  const Operator& op = *static_cast<Operator*>(given.data);
  const auto begin = [&]() -> napi_value {
    drop_unreferenced_buffers(env);
    auto later = std::make_unique<Later>();
    later->op = &op;
    later->stack = converted(env, op, given);
    napi_value promise, name;
    napi_create_promise(env, &later->deferred, &promise);
    napi_create_string_utf8(env, op.name.data(), op.name.size(), &name);
    napi_create_async_work(env, nullptr, name, call_in_pool, settle, later.get(), &later->work);
    napi_queue_async_work(env, later->work);
    later.release();
    return promise;
  };
  return guarded(env, begin, [&](const char* what) { return describe_call(op, {}, what); });
}

// Operators live as long as the process: JavaScript functions point at them.
Operator* find(const std::string& full_name) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<Operator>> known;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = known.find(full_name);
  if (found != known.end()) return found->second.get();
  const size_t colons = full_name.find("::");
  const size_t dot = full_name.find('.', colons == std::string::npos ? 0 : colons);
  const std::string name = full_name.substr(0, dot);
  const std::string overload = dot == std::string::npos ? "" : full_name.substr(dot + 1);
  auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!handle) return nullptr;
  if (handle->schema().arguments().size() > kMaxArguments)
    throw std::runtime_error(full_name + " has more than " + std::to_string(kMaxArguments) + " arguments");
  return (known[full_name] = std::make_unique<Operator>(full_name, *handle)).get();
}

void set(napi_env env, napi_value object, const char* key, napi_value value) { napi_set_named_property(env, object, key, value); }

napi_value text(napi_env env, const std::string& value) {
  napi_value result;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

// findOperator(name) -> {call, later, schema, tensors, results, returned} or null. `tensors[i]` is 1 for a tensor argument, 2 for a
// list of tensors, 0 for anything else; `results` likewise; `returned[i]` is the argument that comes back as result i, or -1.
napi_value find_operator(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    Operator* op = find(to_string(env, given[0]));
    napi_value result;
    if (!op) {
      napi_get_null(env, &result);
      return result;
    }
    auto numbers = [&](size_t n, auto at) {
      napi_value array;
      napi_create_array_with_length(env, n, &array);
      for (uint32_t i = 0; i < n; ++i) {
        napi_value number;
        napi_create_int32(env, at(i), &number);
        napi_set_element(env, array, i, number);
      }
      return array;
    };
    auto tensor_kind = [](Kind kind, Kind element) { return kind == Kind::Tensor ? 1 : kind == Kind::List && element == Kind::Tensor ? 2 : 0; };
    const auto& returns = op->handle.schema().returns();
    napi_create_object(env, &result);
    napi_value function;
    napi_create_function(env, op->name.data(), op->name.size(), call, op, &function);
    set(env, result, "call", function);
    napi_create_function(env, op->name.data(), op->name.size(), call_later, op, &function);
    set(env, result, "later", function);
    std::ostringstream schema;
    schema << op->handle.schema();
    set(env, result, "schema", text(env, schema.str()));
    set(env, result, "tensors", numbers(op->parameters.size(), [&](size_t i) { return tensor_kind(op->parameters[i].kind, op->parameters[i].element); }));
    set(env, result, "results", numbers(returns.size(), [&](size_t i) {
      const Parameter p = Parameter::from(returns[i]);
      return tensor_kind(p.kind, p.element);
    }));
    set(env, result, "returned", numbers(returns.size(), [&](size_t i) { return op->returned_argument[i]; }));
    return result;
  });
}

// describeOperator(name) -> {parameters: [{name, type, length, hasDefault}], results: [type]} or null, for the generator of types.
napi_value describe_operator(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    Operator* op = find(to_string(env, given[0]));
    napi_value result, parameters, results;
    if (!op) {
      napi_get_null(env, &result);
      return result;
    }
    napi_create_object(env, &result);
    napi_create_array(env, &parameters);
    for (uint32_t i = 0; i < op->parameters.size(); ++i) {
      const Parameter& p = op->parameters[i];
      napi_value entry, has_default, length;
      napi_create_object(env, &entry);
      set(env, entry, "name", text(env, p.name));
      set(env, entry, "type", text(env, p.type));
      napi_get_boolean(env, p.has_default, &has_default);
      set(env, entry, "hasDefault", has_default);
      napi_create_int32(env, p.length, &length);
      set(env, entry, "length", length);
      napi_set_element(env, parameters, i, entry);
    }
    napi_create_array(env, &results);
    const auto& returns = op->handle.schema().returns();
    for (uint32_t i = 0; i < returns.size(); ++i) napi_set_element(env, results, i, text(env, Parameter::from(returns[i]).type));
    set(env, result, "parameters", parameters);
    set(env, result, "results", results);
    return result;
  });
}

napi_value operator_names(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    napi_value result;
    napi_create_array(env, &result);
    uint32_t i = 0;
    for (const auto& name : c10::Dispatcher::singleton().getAllOpNames())
      napi_set_element(env, result, i++, text(env, name.overload_name.empty() ? name.name : name.name + "." + name.overload_name));
    return result;
  });
}

}  // namespace

const std::vector<Export>& dispatch_exports() {
  static const std::vector<Export> list = {
      {"findOperator", find_operator}, {"describeOperator", describe_operator}, {"operatorNames", operator_names}};
  return list;
}

}  // namespace csrm
