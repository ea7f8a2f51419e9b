using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class ListenAddressTests
{
    [Theory]
    [InlineData("http://127.0.0.1:5080", "127.0.0.1", 5080)]
    [InlineData("http://localhost:80", "localhost", 80)]
    [InlineData("http://LocalHost:80", "localhost", 80)]
    [InlineData("http://[::1]:0", "[::1]", 0)]
    [InlineData("http://127.9.9.9:1/", "127.9.9.9", 1)]
    public void LoopbackAddresses_AreTaken(string url, string address, int port)
    {
        var found = ListenAddress.TryParse(url, allowRemote: false, out var error)!;
        Assert.Null(error);
        Assert.Equal((address, port), (found.Host, found.Port));
    }

    [Theory]
    [InlineData("http://localhost:0", "127.0.0.1", "[::1]", "localhost")]
    [InlineData("http://127.0.0.2:0", "127.0.0.2")]
    [InlineData("http://[::1]:0", "[::1]")]
    public async Task Server_AnswersAtEveryNameOfItsAddress(string url, params string[] names)
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { Urls = [url] });
        foreach (var name in names)
            Assert.NotEmpty(await server.Client.GetStringAsync(new Uri($"http://{name}:{server.Address.Port}/v1/models"), TestServer.Cancellation));
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
    [InlineData("http://me@127.0.0.1:5080")]
    [InlineData("http://127.0.0.1:5080/#here")]
    [InlineData("5080")]
    [InlineData("http://*:5080")]
    public void WhatIsNoAddress_IsRefused(string url)
    {
        Assert.Null(ListenAddress.TryParse(url, allowRemote: true, out var error));
        Assert.Contains(url, error, StringComparison.Ordinal);
    }
}
