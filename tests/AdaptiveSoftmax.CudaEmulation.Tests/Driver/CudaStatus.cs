namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>The results of the driver's functions that are given, with the numbers of <c>cuda.h</c>.</summary>
internal enum CudaStatus
{
    Success = 0,
    InvalidValue = 1,
    OutOfMemory = 2,
    NotInitialized = 3,
    InvalidDevice = 101,
    InvalidContext = 201,
    InvalidPtx = 218,
    InvalidHandle = 400,
    IllegalState = 401,
    NotFound = 500,
    NotReady = 600,
    LaunchFailed = 719,
    StreamCaptureUnsupported = 900,
    StreamCaptureInvalidated = 901,
    StreamCaptureImplicit = 906,
    StreamCaptureWrongThread = 908,
    Unknown = 999,
}

/// <summary>What makes a function fail, and in more words than the driver has.</summary>
internal sealed class CudaFailure(CudaStatus status, string message) : Exception(message)
{
    /// <summary>The result.</summary>
    public CudaStatus Status { get; } = status;
}
