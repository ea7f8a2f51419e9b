using ServerSample;
using Spectre.Console;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class CorsTests
{
    [Theory]
    [InlineData("", "https://app.example", null)]
    [InlineData("https://app.example", "https://app.example", "https://app.example")]
    [InlineData("https://app.example http://localhost:3000", "http://localhost:3000", "http://localhost:3000")]
    [InlineData("https://app.example", "https://other.example", null)]
    [InlineData("*", "https://other.example", "*")]
    public async Task PagesOfOtherOrigins_MayAskWhereTheyAreNamed(string origins, string origin, string? allowed)
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { Origins = origins.Split(' ', StringSplitOptions.RemoveEmptyEntries) });
        foreach (var path in new[] { "v1/chat/completions", "v1/completions", "v1/models" })
        {
            using var asking = Request(HttpMethod.Options, path, origin);
            asking.Headers.Add("Access-Control-Request-Method", "POST");
            asking.Headers.Add("Access-Control-Request-Headers", "authorization,content-type,x-stainless-os");
            using var preflight = await server.Client.SendAsync(asking, TestServer.Cancellation);
            Assert.Equal(allowed, Header(preflight, "Access-Control-Allow-Origin"));
            if (allowed is null) continue;
            Assert.Contains("x-stainless-os", Header(preflight, "Access-Control-Allow-Headers"), StringComparison.Ordinal);
            Assert.Contains("POST", Header(preflight, "Access-Control-Allow-Methods"), StringComparison.Ordinal);
        }

        using var models = await server.Client.SendAsync(Request(HttpMethod.Get, "v1/models", origin), TestServer.Cancellation);
        Assert.Equal(allowed, Header(models, "Access-Control-Allow-Origin"));
        Assert.Equal(allowed is not null, Header(models, "Access-Control-Expose-Headers")?.Contains("Retry-After", StringComparison.Ordinal) == true);
        // What is no part of the interface is not for them.
        foreach (var path in new[] { "monitor", "metrics", "" })
        {
            using var answer = await server.Client.SendAsync(Request(HttpMethod.Get, path, origin), TestServer.Cancellation);
            Assert.Null(Header(answer, "Access-Control-Allow-Origin"));
        }
    }

    [Theory]
    [InlineData("https://app.example", null)]
    [InlineData("http://localhost:3000", null)]
    [InlineData("*", null)]
    [InlineData("app.example", "no origin")]
    [InlineData("https://app.example/", "no origin")]
    [InlineData("https://app.example/page", "no origin")]
    [InlineData("ftp://app.example", "no origin")]
    [InlineData("https://user:pw@app.example", "no origin")]
    [InlineData("https://bücher.example", "punycode")]
    [InlineData("https://xn--bcher-kva.example", null)]
    [InlineData("http://[::1]:3000", null)]
    public void Option_TakesOrigins(string origin, string? error)
    {
        var parsed = CommandLine.CreateRoot(AnsiConsole.Console).Parse(["--cors", origin]);
        if (error is null) Assert.Empty(parsed.Errors);
        else Assert.Contains(error, Assert.Single(parsed.Errors).Message, StringComparison.Ordinal);
    }

    private static HttpRequestMessage Request(HttpMethod method, string path, string origin)
    {
        var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
        request.Headers.Add("Origin", origin);
        return request;
    }

    private static string? Header(HttpResponseMessage response, string name) => response.Headers.TryGetValues(name, out var values) ? string.Join(',', values) : null;
}
