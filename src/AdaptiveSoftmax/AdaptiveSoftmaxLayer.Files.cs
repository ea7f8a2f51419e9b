namespace AdaptiveSoftmax;

// Weights in files.
public abstract partial class AdaptiveSoftmaxLayer
{
    /// <summary>
    /// Saves the weights with the fingerprint of sizes and vocabulary. A file that is there already is replaced only by a
    /// complete one.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="prefix">
    /// What to put before each name, for example <c>decoder.softmax.</c> for a module of that name in a model of PyTorch's.
    /// </param>
    /// <param name="format">The file's format, whatever its name: safetensors, or a state dict for <c>torch.load</c>.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path, string prefix = "", WeightsFormat format = WeightsFormat.Safetensors)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        new Checkpoint(Parameters, optimizer: null, Identity) { Prefix = prefix }.Save(path, format);
    }

    /// <summary>
    /// Takes over the weights of a file, which may hold other parts of a model too. If this throws, the weights are as
    /// they were. Values of F64, F16 and BF16 are converted to float32.
    /// </summary>
    /// <param name="path">The file: safetensors, or a state dict that <c>torch.save</c> wrote, of which nothing is run.</param>
    /// <param name="acceptUnmarked">
    /// Whether to take weights that carry no fingerprint, such as those that PyTorch wrote, on the caller's word that
    /// their classes are this vocabulary's slots.
    /// </param>
    /// <param name="prefix">
    /// What stands before each name in the file, for example <c>decoder.softmax.</c>.
    /// </param>
    /// <exception cref="CheckpointMismatchException">The weights are of another vocabulary or other sizes; the message says which.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged, of another format, or holds a value that float32 cannot.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Restore(string path, bool acceptUnmarked = false, string prefix = "")
    {
        ArgumentNullException.ThrowIfNull(prefix);
        using var file = WeightsFile.Open(path);
        using var restore = new CheckpointRestore(file, Parameters, Identity) { AcceptUnmarked = acceptUnmarked, Prefix = prefix };
        restore.Check(allowOthers: true, optimizers: []);
        restore.ReadStaged();
        restore.Commit(optimizers: []);
    }
}
