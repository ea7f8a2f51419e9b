using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// A training run with a <see cref="VocabularyParallel"/>, in one ordinary file: the ranks write their rows side by side, and no rank
/// ever has all of them. The file is that of <see cref="Checkpoint"/>, so any number of ranks can go on from it to the same bits, and
/// so can a whole layer.
/// </summary>
public sealed class VocabularyCheckpoint
{
    private readonly Collectives _collectives;
    private readonly Checkpoint _own;

    /// <summary>Describes a run.</summary>
    /// <param name="softmax">This rank's part of the softmax.</param>
    /// <param name="body">The parameters of the rest of the model, which every rank has to the same bits; null for none.</param>
    /// <param name="optimizers">All optimizers that step them, if their state belongs to the run.</param>
    /// <exception cref="ArgumentException">A name is used twice or is reserved, or an optimizer stands there twice.</exception>
    public VocabularyCheckpoint(VocabularyParallel softmax, IEnumerable<Parameter>? body = null, params IReadOnlyList<Optimizer> optimizers)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        _collectives = softmax.Collectives;
        _own = new Checkpoint([.. softmax.Parameters, .. body ?? []], optimizers, softmax.Identity);
    }

    /// <summary>The caller's count of steps, saved and restored.</summary>
    public long Step
    {
        get => _own.Step;
        set => _own.Step = value;
    }

    /// <summary>Strings of the caller's own, saved and restored, the same on each rank.</summary>
    public IDictionary<string, string> Strings => _own.Strings;

    /// <summary>
    /// Saves the run; all ranks call it, after the same steps. Whichever process is killed at whatever moment, the file is complete,
    /// either the old one or the new one. When it returns on any rank, it is the new one.
    /// </summary>
    /// <param name="path">The file, which every rank must reach by this path. It is replaced if it exists.</param>
    /// <exception cref="InvalidOperationException">The run could not be resumed from the file, as <see cref="Checkpoint.Save(string, WeightsFormat)"/> says.</exception>
    /// <exception cref="IOException">The file cannot be written; a file that was there before is left as it was.</exception>
    /// <exception cref="ObjectDisposedException">A parameter or an optimizer is disposed.</exception>
    /// <exception cref="RankMismatchException">The ranks have other names, strings, steps or optimizers, or another rank makes another call.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var content = _own.CreateContent(WeightsFormat.Safetensors);
        SharedFile.Write(_collectives, path, content);
    }

    /// <summary>
    /// Restores the run, of which each rank reads its own rows; all ranks call it. Any file of the run will do: one that any number of
    /// ranks saved, or <see cref="Checkpoint"/>. What <see cref="Checkpoint.Restore(string, bool)"/> says holds for each rank.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <exception cref="CheckpointMismatchException">The file is of another model, vocabulary or optimizer.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged or of another format.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="RankMismatchException">The ranks have read different files, or another rank makes another call.</exception>
    public void Restore(string path, bool acceptUnmarked = false)
    {
        _own.Restore(path, acceptUnmarked);
        _collectives.CheckAgreement(
        [
            new("the step of the file", Step.ToString(CultureInfo.InvariantCulture)),
            .. Strings.Select(pair => KeyValuePair.Create($"the file's string '{Excerpt.Name(pair.Key)}'", Excerpt.Name(pair.Value))),
        ]);
    }
}
