"""
The Python side of the benchmarks: reads requests as lines of JSON, answers each with one. It stays idle between them, so that csrm
can be measured in turn with it.
"""
import json
import os
import resource
import sys
import time

import torch

state = {}


def synchronise():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def threads(request):
    torch.set_num_threads(request["threads"])
    return {"threads": torch.get_num_threads()}


def operator(request):
    """Seconds a call of one of the small operators."""
    x, y = torch.ones(4), torch.ones(4)
    w = torch.ones(4, requires_grad=True)
    bodies = {
        "add": lambda: x.add(y),
        "add_": lambda: x.add_(y),
        "cat": lambda: torch.cat([x, y]),
        "backward": lambda: x.mul(w).sum().backward(),
    }
    body, calls = bodies[request["name"]], request["calls"]
    start = time.perf_counter()
    for _ in range(calls):
        body()
    return {"seconds": (time.perf_counter() - start) / calls}


def prepare_network(request):
    from peer_networks import networks

    device = request["device"]
    layout = torch.channels_last if request["channels_last"] else torch.contiguous_format
    torch.manual_seed(0)
    model = networks[request["network"]]().train().to(device=device, memory_format=layout)
    images = torch.randn(request["images"], 3, request["size"], request["size"])
    images = images.to(device=device).contiguous(memory_format=layout)
    # A network of one's own and no autocast is how float32 is used; autocast casts anew in every pass, as in training.
    state["network"] = (model, images, torch.device(device).type, request["bf16"])
    run_network(request)
    return {"parameters": sum(p.numel() for p in model.parameters())}


def run_network(_):
    model, images, kind, bf16 = state["network"]
    synchronise()
    start = time.perf_counter()
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=bf16):
        loss = model(images).sum()
    loss.backward()
    for parameter in model.parameters():
        parameter.grad = None
    del loss
    synchronise()
    return {"seconds": time.perf_counter() - start}


def prepare_loader(request):
    import peer_loader

    state["loader"] = peer_loader.make(request)
    return {}


def run_loader(_):
    import peer_loader

    start = time.perf_counter()
    images = peer_loader.epoch(*state["loader"])
    return {"seconds": time.perf_counter() - start, "images": images}


def memory(_):
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


actions = {
    action.__name__: action
    for action in (threads, operator, prepare_network, run_network, prepare_loader, run_loader, memory)
}

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = actions[request["do"]](request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
