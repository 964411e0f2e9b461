// Gradients that can be differentiated again, for kernels whose own are not operators that autograd sees.
#pragma once
#include <torch/csrc/autograd/autograd.h>

namespace csrm {

/// Gradients of y, which operators have made of the inputs, for the gradient dy; undefined for inputs that need none.
inline torch::autograd::variable_list differentiable_gradients(const at::Tensor& y, const torch::autograd::variable_list& inputs, const at::Tensor& dy) {
  torch::autograd::variable_list learning, gradients(inputs.size());
  for (const at::Tensor& input : inputs)
    if (input.requires_grad()) learning.push_back(input);
  const auto found = torch::autograd::grad({y}, learning, {dy}, true, true, true);
  for (size_t i = 0, next = 0; i < inputs.size(); ++i)
    if (inputs[i].requires_grad()) gradients[i] = found[next++];
  return gradients;
}

}  // namespace csrm
