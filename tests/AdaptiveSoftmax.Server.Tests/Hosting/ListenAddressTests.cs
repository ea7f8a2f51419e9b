using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class ListenAddressTests
{
    [Theory]
    [InlineData("http://127.0.0.1:5080", "127.0.0.1", 5080)]
    [InlineData("http://localhost:80", "127.0.0.1", 80)]
    [InlineData("http://[::1]:0", "::1", 0)]
    [InlineData("http://127.9.9.9:1/", "127.9.9.9", 1)]
    public void LoopbackAddresses_AreTaken(string url, string address, int port)
    {
        var found = ListenAddress.TryParse(url, allowRemote: false, out var error)!;
        Assert.Null(error);
        Assert.Equal((address, port), (found.Address.ToString(), found.Port));
    }

    [Theory]
    [InlineData("http://0.0.0.0:5080")]
    [InlineData("http://[::]:5080")]
    [InlineData("http://192.168.1.5:5080")]
    public void AddressesThatOthersReach_AreTakenOnlyWhereAskedFor(string url)
    {
        Assert.Null(ListenAddress.TryParse(url, allowRemote: false, out var error));
        Assert.Contains("--allow-remote", error, StringComparison.Ordinal);
        Assert.NotNull(ListenAddress.TryParse(url, allowRemote: true, out _));
    }

    [Theory]
    [InlineData("https://127.0.0.1:5080")]
    [InlineData("http://example.com:5080")]
    [InlineData("http://127.0.0.1:5080/path")]
    [InlineData("5080")]
    [InlineData("http://*:5080")]
    public void WhatIsNoAddress_IsRefused(string url)
    {
        Assert.Null(ListenAddress.TryParse(url, allowRemote: true, out var error));
        Assert.Contains(url, error, StringComparison.Ordinal);
    }
}
