// csrm::largest_of_all: the largest value over the tensors of all processes, with the gradient that max() of one tensor has: where several
// places hold it, in whichever process, each gets an equal part.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "group.h"

namespace {

using namespace csrm;

// A single number, the same bits for each process.
at::Tensor largest(const at::Tensor& x) { return at::cat(dist::current()->gather(at::max(x).reshape({1}))).max(); }

struct LargestOfAll : torch::autograd::Function<LargestOfAll> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x) {
    at::AutoDispatchBelowADInplaceOrView below;
    at::Tensor value = largest(x);
    const at::Tensor held = x.eq(value);
    at::Tensor places = held.sum();
    dist::current()->sum(places);
    context->save_for_backward({held, places});
    return value;
  }
  // The value is everybody's, so what all processes' losses make of it comes together before it goes to its places.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list incoming) {
    const auto saved = context->get_saved_variables();
    at::Tensor gradient = incoming[0].detach().clone(at::MemoryFormat::Contiguous);
    dist::current()->sum(gradient);
    return {saved[0].to(gradient.scalar_type()).mul(gradient.div(saved[1]))};
  }
};

at::Tensor largest_autograd(const at::Tensor& x) { return LargestOfAll::apply(x); }

}  // namespace

TORCH_LIBRARY_FRAGMENT(csrm, m) { m.def("largest_of_all(Tensor x) -> Tensor"); }
TORCH_LIBRARY_IMPL(csrm, CompositeExplicitAutograd, m) { m.impl("largest_of_all", largest); }
TORCH_LIBRARY_IMPL(csrm, Autograd, m) { m.impl("largest_of_all", largest_autograd); }
