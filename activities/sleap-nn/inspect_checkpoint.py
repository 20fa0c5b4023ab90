"""Says whether a checkpoint that sleap-nn wrote loads, and where it stands: one JSON line `{"epoch", "global_step"}`.

Only for checkpoints of this pod's own runs: loading one runs the pickle in it. A truncated file ends with exit code 1.
"""

import json
import sys

import torch

checkpoint = torch.load(sys.argv[1], map_location="cpu", weights_only=False)
# All that `trainer_config.resume_ckpt_path` needs must be there.
for key in ("state_dict", "optimizer_states", "loops"):
    checkpoint[key]
print(json.dumps({"epoch": int(checkpoint["epoch"]), "global_step": int(checkpoint["global_step"])}))
