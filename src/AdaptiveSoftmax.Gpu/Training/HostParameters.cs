namespace AdaptiveSoftmax.Gpu;

/// <summary>Copies of device parameters on the host, for the readers and writers of files.</summary>
internal sealed class HostParameters : IDisposable
{
    private readonly IReadOnlyList<GpuParameter> _devices;
    private readonly Parameter[] _parameters;

    public HostParameters(IReadOnlyList<GpuParameter> devices)
    {
        _devices = devices;
        _parameters = [.. devices.Select(device => device.CreateHost())];
    }

    public IReadOnlyList<Parameter> Parameters => _parameters;

    public void Download()
    {
        for (var i = 0; i < _parameters.Length; i++) _devices[i].CopyTo(_parameters[i]);
    }

    public void Upload()
    {
        for (var i = 0; i < _parameters.Length; i++)
        {
            _devices[i].CopyFrom(_parameters[i]);
            _devices[i].ZeroGradient();
        }
    }

    public void Dispose()
    {
        foreach (var parameter in _parameters) parameter.Dispose();
    }
}
