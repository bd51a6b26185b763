#!/bin/bash
# What only a GPU can tell, in three parts of at most ten minutes on one card of 80 GB:
#
#     bash tests/bench_gpu.sh [--dry-run] [--baseline COMMIT] [PART ...]
#
#     kernels   which attention torch chooses and what a new shape costs, the floor of a kernel,
#               the decode kernel against float64, the tests' CUDA cases, decoding
#     runs      the scripts end to end with the tiny model: checkpoints, resuming, off-loading, PPO
#     speed     training, a whole step, the sampler against transformers' generate
#
# Decoding, training and the step are measured on an older commit, too, with that commit's own
# benchmarks: the baseline. COMMIT may be a directory that holds it, where there is no git.
# --dry-run prints the commands. A step that fails, or takes too long, ends its part and says so.
# Everything is shown, and kept in $OUT/gpu-CARD.txt (OUT: runs). Random weights: nothing is loaded.
set -u
cd "$(dirname "$0")/.."
export PYTHONUNBUFFERED=1
PYTHON=${PYTHON:-python3}

dry_run=no
baseline=ded37a7
parts=()
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=yes ;;
    --baseline)
      [ $# -ge 2 ] || { echo "--baseline needs a commit or a directory"; exit 2; }
      shift
      baseline=$1 ;;
    kernels|runs|speed) parts+=("$1") ;;
    *) echo "unknown: $1 (parts: kernels, runs, speed)"; exit 2 ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || parts=(kernels runs speed)


# ---- how a step runs ----

# step SECONDS COMMAND ...: the command, stopped after so many seconds; its failure is said.
step() {
  local limit=$1
  shift
  echo "+ [$limit s] $*"
  [ $dry_run = yes ] && return 0
  timeout "$limit" "$@"
  local status=$?
  [ $status = 0 ] && return 0
  [ $status = 124 ] && echo "TOO SLOW: more than $limit s: $*" || echo "FAILED with $status: $*"
  return 1
}

# both SECONDS COMMAND ...: a step on the baseline, then on this tree.
both() {
  need_baseline || return 1
  echo "--- baseline $baseline"
  ( [ $dry_run = yes ] || cd "$old_tree" || exit 1; step "$@" ) || return 1
  echo "--- this tree"
  step "$@"
}

old_tree=
need_baseline() {
  [ -z "$old_tree" ] || return 0
  if [ -d "$baseline" ]; then
    old_tree=$baseline
  elif [ $dry_run = yes ]; then
    old_tree=$scratch/baseline
    echo "+ git worktree add --detach $old_tree $baseline"
  elif git worktree add --quiet --detach "$scratch/baseline" "$baseline"; then
    old_tree=$scratch/baseline
  else
    echo "FAILED: no baseline: $baseline is neither a directory nor a commit known here"
    return 1
  fi
}

clear_up() {
  if [ -d "$scratch/baseline" ]; then
    git worktree remove --force "$scratch/baseline"
  fi
  rm -rf "$scratch"
}


# ---- the parts ----

part_kernels() {
  step 240 $PYTHON tests/bench_gpu.py limits attention floor kernel &&
  step 120 $PYTHON -m pytest -q -p no:cacheprovider tests/test_models.py tests/test_r1ci.py \
    tests/test_trainer.py -k "cuda" &&
  # Mean contexts of 600 and more stay within one power of two: no graph is captured while timed.
  both 110 $PYTHON tests/bench_sampler.py --size 3B --device cuda --parts decode --context 600 \
    --steps 48
}

part_runs() {
  local sft="sft.py --device cuda --copy-steps 60 --per-task 100 --epochs 2 --eval-n 6"
  local grpo="grpo.py --device cuda --model $scratch/sft --per-task 10 --potential-samples 2
    --stages 2 --steps-per-stage 2 --val-n 3 --eval-n 6 --eval-every 2"
  local kl="--kl-coef 0.01 --updates 2"
  local small="--offload --checkpointing"
  step 150 $PYTHON $sft --out "$scratch/sft" --stop-after 15 &&
  step 150 $PYTHON $sft --out "$scratch/sft" --resume $small &&
  step 150 $PYTHON $grpo $kl --out "$scratch/grpo" --stop-after 2 &&
  step 150 $PYTHON $grpo $kl --out "$scratch/grpo" --resume $small --no-keep-sampler &&
  step 150 $PYTHON $grpo --advantage ppo --out "$scratch/ppo" &&
  step 60 $PYTHON r1ci.py ask "What is the least common multiple of 12 and 42?" \
    --model "$scratch/grpo" --device cuda &&
  step 60 $PYTHON r1ci.py eval --model "$scratch/grpo" --tasks rg/gcd,rg/lcm --n 20 \
    --samples 4 --device cuda &&
  # dp_mean below 0.02 (bfloat16 alone makes some 0.002), skipped 0.
  step 10 grep -oE '"(dp_mean|dlogp_max|sampler_kl|grad_norm|skipped)": [^,}]*' \
    "$scratch/grpo/metrics.jsonl" "$scratch/ppo/metrics.jsonl"
}

part_speed() {
  local train="tests/bench_train.py --device cuda --checkpointing --no-baseline --repeats 2"
  both 75 $PYTHON $train --size 3B --rows 24 --context 4096 --micro-tokens 8192 &&
  both 75 $PYTHON $train --size 0.5B --rows 48 --context 4096 --micro-tokens 16384 &&
  # Each repeat has the same shapes; the whole step below has new ones.
  step 80 $PYTHON $train --size 3B --full --rows 4 --context 8192 --micro-tokens 16384 &&
  both 190 $PYTHON tests/bench_step.py --size 3B --device cuda --checkpointing --steps 1 &&
  step 100 $PYTHON tests/bench_sampler.py --size 0.5B --device cuda --parts generate --rounds 1
}


# ---- all of it ----

main() {
  local failed=0
  for part in "${parts[@]}"; do
    echo "=== $part"
    if "part_$part"; then
      echo "=== $part: done"
    else
      echo "=== $part: STOPPED at the step above"
      failed=1
    fi
  done
  return $failed
}

if [ $dry_run = yes ]; then
  scratch=SCRATCH
  main
  exit
fi
card=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)
if [ -z "$card" ]; then
  echo "no GPU is here (nvidia-smi finds none): --dry-run prints what would run"
  exit 1
fi
scratch=$(mktemp -d)
trap clear_up EXIT
OUT=${OUT:-runs}
mkdir -p "$OUT"
figures=$OUT/gpu-${card// /-}.txt
{
  echo "##### $card, $(date -u +%FT%TZ), $(git rev-parse --short HEAD 2>/dev/null || echo no git)"
  nvidia-smi --query-gpu=memory.total,driver_version,clocks.max.sm,power.limit --format=csv
  main
} 2>&1 | tee -a "$figures"
status=${PIPESTATUS[0]}
echo "kept in $figures"
exit "$status"
