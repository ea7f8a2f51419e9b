using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The optimizers' part of a restoration: what a file holds of them is put into new ones, which the old ones then take over.</summary>
internal sealed unsafe class OptimizerRestore : IDisposable
{
    private const string Remedy = "Restore into optimizers of the kinds that were saved, in their order, or restore without one to start anew.";

    private readonly WeightsFile _file;
    private readonly IReadOnlyList<Parameter> _parameters;
    private readonly ILookup<string, Parameter> _byName;
    private readonly IReadOnlyList<OptimizerMetadata> _saved;
    private readonly List<Optimizer> _restored = [];

    /// <summary>Checks kinds, settings, groups, names and shapes.</summary>
    public OptimizerRestore(WeightsFile file, IReadOnlyList<Parameter> parameters, IReadOnlyList<OptimizerMetadata> saved, IReadOnlyList<Optimizer> optimizers)
    {
        (_file, _parameters, _saved) = (file, parameters, saved);
        _byName = parameters.ToLookup(parameter => parameter.TensorName);
        if (saved.Count == 0) throw Mismatch(["the file has no optimizer state"]);
        if (saved.Count != optimizers.Count) throw Mismatch([$"the file has the state of {saved.Count} optimizers, and {optimizers.Count} are to be restored"]);
        var differences = new List<string>();
        for (var i = 0; i < saved.Count; i++)
        {
            ObjectDisposedException.ThrowIf(optimizers[i].IsDisposed, optimizers[i]);
            if (saved[i].Kind != optimizers[i].Kind)
                differences.Add($"its optimizer state is of '{Excerpt.Name(saved[i].Kind)}', and '{optimizers[i].Kind}' is to be restored");
        }

        if (differences.Count > 0) throw Mismatch(differences);
        for (var i = 0; i < saved.Count; i++) _restored.Add(Create(optimizers[i], saved[i], differences));
        if (differences.Count > 0) throw Mismatch(differences);
    }

    /// <summary>Reads all state.</summary>
    public void Read()
    {
        for (var i = 0; i < _restored.Count; i++)
        {
            var buffers = _restored[i].State;
            _restored[i].StepCount = _saved[i].StepCount;
            foreach (var parameter in _parameters)
            {
                if (!_saved[i].ParameterSteps.TryGetValue(parameter.TensorName, out var steps)) continue;
                var state = _restored[i].GetOrCreateState(parameter);
                state.Steps = steps;
                for (var buffer = 0; buffer < state.Buffers.Length; buffer++)
                {
                    _file.TryGetTensor(CheckpointNames.OfState(parameter.TensorName, buffers[buffer].Name), out var tensor);
                    _file.Read(tensor!, parameter.FirstValue, parameter.Count, state.Buffers[buffer].Pointer);
                }
            }
        }
    }

    /// <summary>Takes over what <see cref="Read"/> read.</summary>
    public void Commit(IReadOnlyList<Optimizer> optimizers)
    {
        for (var i = 0; i < _restored.Count; i++) optimizers[i].TakeFrom(_restored[i]);
    }

    /// <summary>Releases what was read to one side.</summary>
    public void Dispose()
    {
        foreach (var optimizer in _restored) optimizer.Dispose();
    }

    private Optimizer Create(Optimizer optimizer, OptimizerMetadata saved, List<string> differences)
    {
        var result = optimizer.CreateNew();
        try
        {
            result.TakeSettings(saved.Settings);
            foreach (var group in saved.Groups)
            {
                foreach (var name in group.Parameters.Where(name => !_byName.Contains(name)))
                    differences.Add($"a group of its optimizer has '{Excerpt.Name(name)}', which is no parameter here");
                result.AddGroup(group.Parameters.SelectMany(name => _byName[name]), group.LearningRateFactor, group.WeightDecay);
            }
        }
        catch (ArgumentException exception)
        {
            throw MetadataJson.Fault(_file, TrainingMetadata.Key, exception);
        }

        foreach (var (name, steps) in saved.ParameterSteps)
        {
            if (_byName[name].FirstOrDefault() is not { } parameter)
            {
                differences.Add($"its optimizer state covers '{Excerpt.Name(name)}', which is no parameter here");
                continue;
            }

            if (steps < 0) differences.Add(FormattableString.Invariant($"its optimizer state counts {steps} steps of '{Excerpt.Name(name)}'"));
            foreach (var buffer in result.State)
                CheckpointRestore.FindTensor(_file, CheckpointNames.OfState(name, buffer.Name), parameter, differences);
        }

        return result;
    }

    private CheckpointMismatchException Mismatch(IReadOnlyList<string> differences) => new(_file.FileName, differences, Remedy);
}
