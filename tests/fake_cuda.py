"""CUDA without a GPU: the project's own functions on fake tensors that say they are on "cuda".

A fake tensor has a shape, a dtype and a device, but no values. All Python code runs on it as it
would on a GPU: what mixes devices or dtypes raises, autograd and FSDP do their work, and every
operation can be counted and its memory added up. Nothing is computed.

    with fake_cuda(ranks=8) as recorder:       this process is rank 0 of 8
        model = ...                            on torch.device("cuda", 0)
        recorder.operations                    what a GPU would have been asked to do

What a GPU, other ranks or values would be asked is answered here:

    torch.cuda          streams, events and graphs that take every call and do nothing
    other ranks         torch's fake process group; what is gathered, all ranks have said
    values              0.5, 0, or in lists False; each question is kept: there the host would wait
    masks               select `selected_per_row` of each row
    attention, norms    the kernels that CUDA takes for bf16
    autograd            fake_cuda_hooks.cpp; without it (a CPU-only torch) only under no_grad
"""
import contextlib
import ctypes
import subprocess
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import pytest
import torch
import torch.distributed as dist
import torch.distributed._tools.fake_collectives  # noqa: F401  c10d's operations on fake tensors
import torch.distributed.device_mesh as device_mesh
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._sharding_prop import ShardingPropagator
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from sft import World

DEVICE = torch.device("cuda", 0)
GIB = 2 ** 30


# ---- what is recorded ----------------------------------------------------------------------------

# Operations that launch no kernel: they look at a tensor in another way, or only reserve memory.
NO_KERNEL = {
    "view", "_unsafe_view", "_reshape_alias", "t", "transpose", "permute", "slice", "select",
    "split", "split_with_sizes", "chunk", "unbind", "squeeze", "unsqueeze", "expand", "as_strided",
    "detach", "alias", "lift_fresh", "empty", "empty_like", "empty_strided", "new_empty", "device"}
# Operations whose result's size depends on values: the host waits for it.
SIZE_FROM_VALUES = {"nonzero", "masked_select", "_unique2", "unique_consecutive", "bincount",
                    "repeat_interleave.Tensor", "_local_scalar_dense", "equal", "is_nonzero"}


@dataclass
class Operation:
    name: str         # as in "aten.mm.default": "mm.default"
    in_graph: bool    # it was recorded by a CUDA graph


class Recorder(TorchDispatchMode):
    """Keeps the operations on CUDA tensors, and those for which the host waits."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []   # those that launch a kernel, or a collective
        self.waits: list[Operation] = []        # a value is read, or copied between host and device
        self.in_graph = False
        self.selected_per_row = 0               # how many of a row a mask [B, T] selects

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (),
                           kwargs: dict | None = None) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        if any(tensor.is_cuda for tensor in tensors):
            name = str(function).split(".", 1)[1]
            self.note(name, tensors)
        return result

    def note(self, name: str, tensors: list[Tensor]) -> None:
        base_name = name.split(".")[0]
        operation = Operation(name, self.in_graph)
        if base_name not in NO_KERNEL:
            self.operations.append(operation)
        copies = base_name in ("copy_", "_to_copy") and not all(t.is_cuda for t in tensors)
        if copies or name in SIZE_FROM_VALUES or base_name in SIZE_FROM_VALUES:
            self.waits.append(operation)

    def read_value(self, name: str) -> None:
        """The host asks for a value (`tolist`, `float`, `bool`)."""
        self.waits.append(Operation(name, self.in_graph))

    def count(self, part: str) -> int:
        """Operations with this in their name."""
        return sum(part in operation.name for operation in self.operations)

    def clear(self) -> None:
        self.operations.clear()
        self.waits.clear()


class PeakMemory(TorchDispatchMode):
    """Bytes of CUDA storages that are alive, and the most there have been."""
    BLOCK = 512   # torch's allocator hands memory out in such pieces

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[int, int] = {}   # of each live storage
        self.now = 0
        self.peak = 0
        self.paused = False

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (),
                           kwargs: dict | None = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and not self.paused:
                self.add(leaf)
        return result

    def add(self, tensor: Tensor) -> None:
        if isinstance(tensor, DTensor):
            tensor = tensor.to_local()
        if not tensor.is_cuda:
            return
        storage = tensor.untyped_storage()
        if storage._cdata not in self.sizes:
            self.sizes[storage._cdata] = 0
            weakref.finalize(storage, self.remove, storage._cdata)
            self.resize(storage._cdata, storage.nbytes())

    def resize(self, key: int, size: int) -> None:
        size = -(-size // self.BLOCK) * self.BLOCK
        self.now += size - self.sizes[key]
        self.sizes[key] = size
        self.peak = max(self.peak, self.now)

    def remove(self, key: int) -> None:
        self.now -= self.sizes.pop(key)

    @contextlib.contextmanager
    def watching(self) -> Iterator["PeakMemory"]:
        """Track what happens inside, FSDP's resizing of storages included."""
        resize_storage = torch.UntypedStorage.resize_
        infer_output = ShardingPropagator._propagate_tensor_meta_non_cached

        def resize(storage: torch.UntypedStorage, size: int) -> Any:
            result = resize_storage(storage, size)
            if storage._cdata in self.sizes:
                self.resize(storage._cdata, size)
            return result

        def infer_unseen(*args: Any, **kwargs: Any) -> Any:
            """DTensor runs operations on whole fake tensors to learn shapes: no memory."""
            self.paused = True
            try:
                return infer_output(*args, **kwargs)
            finally:
                self.paused = False

        with pytest.MonkeyPatch.context() as patch, self:
            patch.setattr(torch.UntypedStorage, "resize_", resize)
            patch.setattr(ShardingPropagator, "_propagate_tensor_meta_non_cached", infer_unseen)
            yield self


# ---- what stands in for a GPU --------------------------------------------------------------------

class Idle:
    """A stream, an event or a graph: every method may be called, and nothing happens."""
    device = DEVICE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __enter__(self) -> "Idle":
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self   # a stream's events, too


class FakeMode(FakeTensorMode):
    # Where CUDA seems to be there, torch would make a real tensor to wake it up.
    avoid_device_init = True


@contextlib.contextmanager
def current_device_ignored() -> Iterator[None]:
    """Operations change the current GPU to that of their tensors: here to no effect."""
    torch._C._ensureCUDADeviceGuardSet()   # for a CUDA build without a GPU
    if torch.version.cuda is not None:
        yield
        return
    # torch keeps an object for each type of device that does the change; a CPU-only build has none
    # for CUDA (1): it gets that of "meta" (14), which does nothing.
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib/libc10.so"))
    symbol = "_ZN3c104impl26device_guard_impl_registryE"
    guards = (ctypes.c_void_p * 15).in_dll(library, symbol)
    guards[1] = guards[14]
    try:
        yield
    finally:
        guards[1] = None


def replace_cuda(patch: pytest.MonkeyPatch, recorder: Recorder, ranks: int) -> None:
    """torch.cuda as a machine with one GPU for each rank would answer."""
    if hasattr(fake_tensor, "init_gpu_context"):   # torch 2.11
        patch.setattr(fake_tensor, "init_gpu_context", lambda *args: None)

    @contextlib.contextmanager
    def record_graph(*args: Any, **kwargs: Any) -> Iterator[None]:
        recorder.in_graph = True
        try:
            yield
        finally:
            recorder.in_graph = False

    answers = {
        "is_available": True, "_is_compiled": True, "_lazy_init": None, "device_count": ranks,
        "current_device": 0, "set_device": None, "synchronize": None, "current_stream": Idle(),
        "default_stream": Idle(), "stream": Idle(), "graph_pool_handle": (0, 1),
        "get_device_capability": (9, 0), "is_current_stream_capturing": False}
    for name, answer in answers.items():
        patch.setattr(torch.cuda, name, lambda *args, answer=answer, **kwargs: answer)
    patch.setattr(torch.cuda, "graph", record_graph)
    for place in (torch.cuda, torch):
        patch.setattr(place, "Stream", Idle)
        patch.setattr(place, "Event", Idle)
    patch.setattr(torch.cuda, "CUDAGraph", Idle)
    patch.setattr(Tensor, "pin_memory", lambda tensor, *args: tensor)
    patch.setattr(Tensor, "is_pinned", lambda tensor, *args: True)


def replace_values(patch: pytest.MonkeyPatch, recorder: Recorder) -> None:
    """What a fake tensor says where a value is asked for."""
    index = Tensor.__getitem__

    def as_list(tensor: Tensor) -> Any:
        recorder.read_value("tolist")
        value: Any = 0.5
        if tensor.dtype == torch.bool:
            value = False
        elif not tensor.is_floating_point():
            value = 0
        for size in reversed(tensor.shape):
            value = [value] * size
        return value

    def as_float(tensor: Tensor) -> float:
        recorder.read_value("float")
        return 0.5

    def as_bool(tensor: Tensor) -> bool:
        recorder.read_value("bool")
        return True

    def select(tensor: Tensor, which: Any) -> Tensor:
        is_mask = isinstance(which, FakeTensor) and which.dtype == torch.bool
        if not is_mask:
            return index(tensor, which)
        recorder.read_value("mask")
        if which.dim() == 1:   # of trained tokens: as if all of them had been sampled
            return tensor.clone()
        count = which.shape[0] * recorder.selected_per_row
        places = torch.zeros(count, dtype=torch.long, device=tensor.device)
        return tensor.flatten(0, 1).index_select(0, places)

    patch.setattr(FakeTensor, "tolist", as_list)
    patch.setattr(FakeTensor, "__float__", as_float)
    patch.setattr(DTensor, "__float__", as_float)
    patch.setattr(FakeTensor, "__bool__", as_bool)
    patch.setattr(Tensor, "__getitem__", select)


def replace_attention(patch: pytest.MonkeyPatch) -> None:
    """Fake tensors would take the plain product of matrices; CUDA takes these kernels."""
    plain = F.scaled_dot_product_attention

    def attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None,
                  is_causal: bool = False, enable_gqa: bool = False) -> Tensor:
        if not (q.is_cuda and q.dtype == torch.bfloat16):
            return plain(q, k, v, attn_mask, is_causal=is_causal, enable_gqa=enable_gqa)
        if attn_mask is None:
            flash = torch.ops.aten._scaled_dot_product_flash_attention
            return flash(q, k, v, 0.0, is_causal, False)[0]
        missing = -attn_mask.shape[-1] % 16   # the kernel wants rows of the mask aligned
        mask = F.pad(attn_mask, (0, missing))[..., :attn_mask.shape[-1]]
        mask = mask.expand(*q.shape[:3], k.shape[2])
        efficient = torch.ops.aten._scaled_dot_product_efficient_attention
        return efficient(q, k, v, mask, False, 0.0, False)[0]

    patch.setattr(F, "scaled_dot_product_attention", attention)


def replace_norm(patch: pytest.MonkeyPatch, recorder: Recorder) -> None:
    """A CPU-only build takes rms_norm apart, where a CUDA build has one kernel: count one."""
    plain = F.rms_norm

    def norm(*args: Any, **kwargs: Any) -> Tensor:
        before = len(recorder.operations)
        y = plain(*args, **kwargs)
        del recorder.operations[before:]
        recorder.note("_fused_rms_norm.default", [y])
        return y

    if torch.version.cuda is None:
        patch.setattr(F, "rms_norm", norm)


def replace_ranks(patch: pytest.MonkeyPatch) -> None:
    """All ranks say what this one says; a mesh of ranks reads values, so it is made outside."""
    make_mesh = device_mesh.init_device_mesh
    choose_mesh = device_mesh.DeviceMesh.__getitem__

    def make_real_mesh(*args: Any, **kwargs: Any) -> device_mesh.DeviceMesh:
        with _disable_current_modes():
            return make_mesh(*args, **kwargs)

    def choose_real_mesh(mesh: device_mesh.DeviceMesh, name: Any) -> device_mesh.DeviceMesh:
        with _disable_current_modes():
            return choose_mesh(mesh, name)

    patch.setattr(device_mesh, "init_device_mesh", make_real_mesh)
    patch.setattr(device_mesh.DeviceMesh, "__getitem__", choose_real_mesh)
    patch.setattr(World, "gather", lambda world, value: [value] * world.size)
    patch.setattr(World, "sum", lambda world, *values: [float(v) * world.size for v in values])


@contextlib.contextmanager
def fake_cuda(ranks: int = 1) -> Iterator[Recorder]:
    """Inside, new tensors are fake, a GPU seems to be there, and this is rank 0 of `ranks`."""
    recorder = Recorder()
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    try:
        with pytest.MonkeyPatch.context() as patch, current_device_ignored():
            replace_cuda(patch, recorder, ranks)
            replace_values(patch, recorder)
            replace_attention(patch)
            replace_norm(patch, recorder)
            replace_ranks(patch)
            for layer in (nn.Linear, nn.Embedding):   # random numbers for nobody
                patch.setattr(layer, "reset_parameters", lambda module: None)
            with FakeMode(allow_non_fake_inputs=True), recorder:
                yield recorder
    finally:
        dist.destroy_process_group()


def compile_hooks(directory: Path) -> None:
    """Compile fake_cuda_hooks.cpp against the installed torch, and let it answer."""
    source = Path(__file__).with_name("fake_cuda_hooks.cpp")
    library = directory / "fake_cuda_hooks.so"
    root = Path(torch.__file__).parent
    includes = [f"-I{root / 'include'}", f"-I{root / 'include/torch/csrc/api/include'}"]
    subprocess.run(["g++", "-std=c++20", "-O1", "-shared", "-fPIC", *includes, str(source),
                    "-o", str(library), f"-L{root / 'lib'}", "-ltorch_cpu", "-lc10"], check=True)
    if ctypes.CDLL(str(library)).answer_for_the_gpu() != 0:
        raise OSError("torch's table of virtual functions cannot be written to")
