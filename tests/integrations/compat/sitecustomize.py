"""torch 1.13 on Python 3.11: torch.distributed._shard cannot be imported (a mutable default in a dataclass, fixed in torch 2.0).

Lightning asks it for two hooks on sharded tensors, of which these tests have none.  They are given here as hooks that do nothing.
"""
import sys
import types

if sys.version_info >= (3, 11):
    names = ("torch.distributed._shard", "torch.distributed._shard.sharded_tensor")
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    sys.modules[names[0]].sharded_tensor = sys.modules[names[1]]
    sys.modules[names[1]].pre_load_state_dict_hook = sys.modules[names[1]].state_dict_hook = lambda *args, **kwargs: None
