// JavaScript values to dispatcher values and back, one function per direction, driven by the operator's own schema.
#pragma once
#include <ATen/core/function_schema.h>
#include <node_api.h>

#include <string>
#include <vector>

namespace csrm {

enum class Kind { Tensor, Scalar, Int, Float, Bool, String, Device, Generator, Dtype, Layout, MemoryFormat, List, Unsupported };

// What a schema says about one argument, worked out once per operator.
struct Parameter {
  std::string name;
  std::string type;  // as printed in the schema
  Kind kind = Kind::Unsupported;
  Kind element = Kind::Unsupported;  // for lists
  bool optional = false;
  bool optional_element = false;  // Tensor?[]
  int32_t length = -1;            // int[2] takes one number for both
  bool has_default = false;
  c10::IValue default_value;

  static Parameter from(const c10::Argument& argument);
};

// Throws std::invalid_argument with "expected …, got …".
c10::IValue to_ivalue(napi_env env, napi_value value, const Parameter& parameter);

// Tensors become handles (numbers; 0 for an undefined one), lists arrays, None null.
napi_value from_ivalue(napi_env env, c10::IValue&& value);

std::vector<int64_t> to_int_vector(napi_env env, napi_value value);
std::string to_string(napi_env env, napi_value value);
double to_double(napi_env env, napi_value value);
at::ScalarType dtype_from_name(const std::string& name);
const char* dtype_name(at::ScalarType dtype);

}  // namespace csrm
