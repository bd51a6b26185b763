"""A first look at a GPU, about three minutes; bench_gpu.sh runs it.

    python tests/bench_gpu.py [limits] [attention] [floor] [kernel]

    limits      bandwidth, and products of the shapes that a decode step has
    attention   which kernels torch chooses, and what it costs to see a new shape (cuDNN plans)
    floor       what the smallest kernel takes in a graph: it sets the speed of decoding
    kernel      the decode kernel for true lengths against float64, and against the mask

A part that fails says so, and the program ends with status 1 when the others are done.
"""
import argparse
import sys
import time
import traceback
from pathlib import Path
from typing import Callable

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
# Before torch: r1ci.py chooses how memory grows.
from r1ci import CacheLayout, KVCache, ModelConfig, RMSNorm
import torch
import torch.nn.functional as F
from torch import Tensor


DEVICE = torch.device("cuda")


def milliseconds(run: Callable[[], object], repeats: int = 20) -> float:
    """Of one run, after three to warm up."""
    for _ in range(3):
        run()
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(repeats):
        run()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / repeats


def in_graph(run: Callable[[], object]) -> float:
    """Milliseconds of a run that a CUDA graph replays, as decoding does."""
    run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return milliseconds(graph.replay)


def random(*shape: int, gradient: bool = False) -> Tensor:
    return torch.randn(*shape, device=DEVICE, dtype=torch.bfloat16, requires_grad=gradient)


def limits() -> None:
    print(f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN "
          f"{torch.backends.cudnn.version()}, {torch.cuda.get_device_name()}")
    source = torch.ones(2 ** 30, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    copy = milliseconds(lambda: target.copy_(source))
    print(f"copy: {2 * source.numel() / copy / 1e9:.2f} TB/s")
    # Rows, inputs, outputs: one of training, then the 3B shape's decoding.
    for m, k, n in ((8192, 2048, 11_008), (64, 2048, 11_008), (256, 2048, 11_008),
                    (64, 2048, 2048), (64, 2048, 256), (64, 2048, 151_936)):
        x, weight = random(m, k), random(n, k)
        took = in_graph(lambda: F.linear(x, weight))
        print(f"product {m} x {k} x {n}: {1e3 * took:.1f} us, {2 * m * k * n / took / 1e9:.0f} "
              f"TFLOP/s, weights at {2 * k * n / took / 1e9:.2f} TB/s")


def attention() -> None:
    names = {-1: "error", 0: "math", 1: "flash", 2: "efficient", 3: "cuDNN", 4: "overrideable"}
    q, k = random(2, 16, 512, 128), random(2, 2, 512, 128)
    choice = torch._fused_sdp_choice(q, k, k, None, 0.0, True, enable_gqa=True)
    print(f"torch chooses for training: {names[choice]}")
    for allowed in (True, False):
        torch.backends.cuda.enable_cudnn_sdp(allowed)
        costs = []
        for i in range(6):   # every shape is new
            length = 1000 + 37 * i + 500 * allowed
            q, k = random(2, 16, length, 128, gradient=True), random(2, 2, length, 128)
            torch.cuda.synchronize()
            began = time.perf_counter()
            y = F.scaled_dot_product_attention(q, k, k, is_causal=True, enable_gqa=True)
            y.sum().backward()
            torch.cuda.synchronize()
            costs.append(f"{1e3 * (time.perf_counter() - began):.1f}")
        q, k = random(2, 16, 4096, 128), random(2, 2, 4096, 128)
        known = milliseconds(
            lambda: F.scaled_dot_product_attention(q, k, k, is_causal=True, enable_gqa=True))
        print(f"cuDNN {'allowed' if allowed else 'off'}: new shapes, forward and backward: "
              f"{' '.join(costs)} ms (over 20: it plans); 2 x 4096 forward again: {known:.2f} ms")
    torch.backends.cuda.enable_cudnn_sdp(True)


@torch.no_grad()
def floor() -> None:
    x, norm = random(64, 1, 2048), RMSNorm(2048, 1e-6).to(DEVICE, torch.bfloat16)
    chain = 300   # steps in one graph, each needing the one before it

    def of_one(step: Callable[[Tensor], Tensor]) -> float:
        def run() -> None:
            y = x
            for _ in range(chain):
                y = step(y)
        return 1e3 * in_graph(run) / chain

    print(f"in a graph: a multiplication {of_one(lambda y: y * 1.0):.2f} us, F.rms_norm "
          f"{of_one(lambda y: F.rms_norm(y, (2048,), norm.weight, 1e-6)):.2f} us, RMSNorm as in "
          f"r1ci.py {of_one(norm):.2f} us; launched alone "
          f"{1e3 * milliseconds(lambda: x * 1.0, repeats=500):.2f} us")


@torch.no_grad()
def kernel() -> None:
    """By KVCache itself: B rows of random lengths, one new token each."""
    torch.manual_seed(0)
    worst = 0.0
    for head_dim, kv_heads, served in ((128, 2, 8), (64, 2, 7), (128, 4, 7), (128, 8, 1)):
        for rows in (1, 16, 64, 256):
            capacity = 4391 if rows < 256 else 1100   # odd: nothing is aligned by chance
            heads = kv_heads * served
            config = ModelConfig(vocab_size=8, hidden_size=heads * head_dim, num_hidden_layers=2,
                                 num_attention_heads=heads, num_key_value_heads=kv_heads)
            cache = KVCache(config, rows, capacity, DEVICE, torch.bfloat16)
            cache.kv.normal_()
            lengths = torch.randint(1, capacity, (rows,), device=DEVICE)
            q = random(rows, heads, 1, head_dim)
            worst = max(worst, compare(cache, lengths, q))
    print(f"largest error {worst:.4f} (bar 0.01)")
    if worst > 0.01:
        raise SystemExit("the kernel for true lengths is wrong here")


def compare(cache: KVCache, lengths: Tensor, q: Tensor) -> float:
    """Error of the decode kernel against float64 on a few rows, with times of both ways."""
    rows, heads, _, head_dim = q.shape
    positions = (lengths - 1)[:, None]
    decoding = CacheLayout(cache, slice(rows), positions, cache.capacity)
    every_slot = torch.arange(rows, device=q.device)
    masked = CacheLayout(cache, every_slot, positions, cache.capacity)
    flat = cache.kv[:, 1].flatten(1, 3)
    keys, values = cache.kv[:, 1]
    got = decoding.decode_varlen(flat, q)
    worst = 0.0
    for row in range(min(rows, 8)):
        served = heads // keys.shape[1]
        k = keys[row, :, :lengths[row]].double().repeat_interleave(served, dim=0)
        v = values[row, :, :lengths[row]].double().repeat_interleave(served, dim=0)
        scores = q[row].double() @ k.transpose(1, 2) * head_dim ** -0.5
        expected = scores.softmax(-1) @ v
        worst = max(worst, float((got[row] - expected).norm() / expected.norm()))
    by_kernel = in_graph(lambda: decoding.decode_varlen(flat, q))
    by_mask = in_graph(lambda: masked.extend(cache.kv[:, 1], q))
    read = 4 * head_dim * keys.shape[1] * int(lengths.sum())   # bytes of keys and values
    print(f"{rows:3d} rows, {heads} heads by {keys.shape[1]} of {head_dim}: error {worst:.4f}, "
          f"{1e3 * by_kernel:.0f} us ({read / by_kernel / 1e9:.2f} TB/s); by the mask "
          f"{1e3 * by_mask:.0f} us", flush=True)
    return worst


PARTS = {"limits": limits, "attention": attention, "floor": floor, "kernel": kernel}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; none: all")
    args = parser.parse_args()
    unknown = sorted(set(args.parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown parts: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device is available")
    failed = []
    for name in args.parts or PARTS:
        print(f"\n== {name}", flush=True)
        try:
            PARTS[name]()
        except SystemExit as stopped:
            print(f"FAILED: {stopped}")
            failed.append(name)
        except Exception:
            traceback.print_exc(limit=3)
            failed.append(name)
        torch.cuda.empty_cache()
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
