namespace AdaptiveSoftmax;

// Weights in files.
public abstract partial class AdaptiveSoftmaxLayer
{
    /// <summary>
    /// Saves the weights with the fingerprint of sizes and vocabulary. A file that is there already is replaced only by a
    /// complete one.
    /// </summary>
    /// <param name="path">The safetensors file.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => new Checkpoint(Parameters, optimizer: null, Identity).Save(path);

    /// <summary>
    /// Takes over the weights of a file, which may hold other parts of a model too. If this throws, the weights are as
    /// they were.
    /// </summary>
    /// <param name="path">The safetensors file.</param>
    /// <param name="acceptUnmarked">
    /// Whether to take weights that carry no fingerprint, such as those that PyTorch wrote, on the caller's word that
    /// their classes are this vocabulary's slots.
    /// </param>
    /// <exception cref="CheckpointMismatchException">The weights are of another vocabulary or other sizes; the message says which.</exception>
    /// <exception cref="SafetensorsFormatException">The file is damaged.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Restore(string path, bool acceptUnmarked = false)
    {
        using var reader = SafetensorsReader.Open(path);
        using var restore = new CheckpointRestore(reader, Parameters, Identity) { AcceptUnmarked = acceptUnmarked };
        restore.Check(allowOthers: true, optimizer: null);
        restore.ReadStaged();
        restore.Commit(optimizer: null);
    }
}
