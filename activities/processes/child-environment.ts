/** Variables that a Python process with a GPU needs; patterns, because CUDA, NCCL and OpenMP each have dozens. */
const PASSED =
  /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|XDG_CACHE_HOME|MPLCONFIGDIR|NUMBA_.*|LD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*|NCCL_.*|G?OMP_.*|MKL_.*|OPENBLAS_.*|TORCH_.*|PYTORCH_.*|HF_HOME|HF_HUB_OFFLINE|SSL_CERT_FILE|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY)$/;

/**
 * The environment that sleap-nn gets: named variables only, so that a worker's S3 keys, Temporal certificate and room
 * token can be read neither by sleap-nn nor by what a researcher's config might make it print.
 */
export function childEnvironment(source: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const environment: Record<string, string> = {
    // No window system, no colours in the log, Weights & Biases sends nothing, UTF-8 whatever the image's locale.
    MPLBACKEND: 'Agg',
    NO_COLOR: '1',
    WANDB_MODE: 'offline',
    PYTHONUTF8: '1',
  };
  // Threads that wait for each other spin for some 10 us, then sleep. Spinning for milliseconds, the default of torch's libgomp,
  // starves itself if the CPU is shared; sleeping at once slows the many short steps of a small model (docs/benchmarks.md).
  if (source.OMP_WAIT_POLICY === undefined) environment.GOMP_SPINCOUNT = '10000';
  for (const [name, value] of Object.entries(source)) {
    if (value !== undefined && PASSED.test(name)) environment[name] = value;
  }
  return environment;
}
