using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

public sealed class ErrorTests
{
    [Theory]
    [InlineData("""{"model": "gpt"}""", 404, "model", "model_not_found", "'tiny'")]
    [InlineData("""{"prompt": 5}""", 400, "prompt", null, "array of token ids")]
    [InlineData("""{"prompt": []}""", 400, "prompt", null, "not be empty")]
    [InlineData("""{"prompt": ["a", 5]}""", 400, "prompt", null, "array of token ids")]
    [InlineData("""{"prompt": [1, 999]}""", 400, "prompt", null, "999 at place 1")]
    [InlineData("""{"prompt": [1, 1.5]}""", 400, "prompt", null, "1.5 at place 1")]
    [InlineData("""{"prompt": [[1], [-1]]}""", 400, "prompt", null, "-1 at place 0")]
    [InlineData("""{"prompt": "\ud83d"}""", 400, "prompt", null, "surrogate")]
    [InlineData("""{"prompt": "a", "max_tokens": 0}""", 400, "max_tokens", null, "from 1 to 1024")]
    [InlineData("""{"prompt": "a", "max_tokens": 1025}""", 400, "max_tokens", null, "from 1 to 1024")]
    [InlineData("""{"prompt": "a", "max_tokens": 1e99}""", 400, "max_tokens", null, "whole number")]
    [InlineData("""{"prompt": "a", "temperature": -0.1}""", 400, "temperature", null, "from 0 to 2")]
    [InlineData("""{"prompt": "a", "temperature": 2.5}""", 400, "temperature", null, "from 0 to 2")]
    [InlineData("""{"prompt": "a", "temperature": "hot"}""", 400, "temperature", null, "must be a number")]
    [InlineData("""{"prompt": "a", "top_p": 1.1}""", 400, "top_p", null, "from 0 to 1")]
    [InlineData("""{"prompt": "a", "top_k": -2}""", 400, "top_k", null, "from -1")]
    [InlineData("""{"prompt": "a", "min_p": 2}""", 400, "min_p", null, "from 0 to 1")]
    [InlineData("""{"prompt": "a", "n": 0}""", 400, "n", null, "from 1 to 16")]
    [InlineData("""{"prompt": ["a", "b"], "n": 9}""", 400, "n", null, "16 in all")]
    [InlineData("""{"prompt": "a", "logprobs": 6}""", 400, "logprobs", null, "from 0 to 5")]
    [InlineData("""{"prompt": "a", "presence_penalty": 3}""", 400, "presence_penalty", null, "from -2 to 2")]
    [InlineData("""{"prompt": "a", "frequency_penalty": -3}""", 400, "frequency_penalty", null, "from -2 to 2")]
    [InlineData("""{"prompt": "a", "logit_bias": {"1": 101}}""", 400, "logit_bias", null, "from -100 to 100")]
    [InlineData("""{"prompt": "a", "logit_bias": {"cat": 1}}""", 400, "logit_bias", null, "'cat'")]
    [InlineData("""{"prompt": "a", "logit_bias": {"9999": 1}}""", 400, "logit_bias", null, "token ids from 0 to")]
    [InlineData("""{"prompt": "a", "logit_bias": {"1": 1, "01": 2}}""", 400, "logit_bias", null, "twice")]
    [InlineData("""{"prompt": "a", "logit_bias": [1]}""", 400, "logit_bias", null, "object")]
    [InlineData("""{"prompt": "a", "stop": 5}""", 400, "stop", null, "string")]
    [InlineData("""{"prompt": "a", "stop": ["a", 5]}""", 400, "stop", null, "string")]
    [InlineData("""{"prompt": "a", "stop": ""}""", 400, "stop", null, "from 1 to 256")]
    [InlineData("""{"prompt": "a", "stop": ["1", "2", "3", "4", "5"]}""", 400, "stop", null, "4 is the most")]
    [InlineData("""{"prompt": "a", "stop": "\udc00"}""", 400, "stop", null, "surrogate")]
    [InlineData("""{"prompt": "a", "echo": 1}""", 400, "echo", null, "true or false")]
    [InlineData("""{"prompt": "a", "echo": true, "max_tokens": -1}""", 400, "max_tokens", null, "from 0 to 1024")]
    [InlineData("""{"prompt": "a", "suffix": "b"}""", 400, "suffix", null, "not supported")]
    [InlineData("""{"prompt": "a", "best_of": 3}""", 400, "best_of", null, "not supported")]
    [InlineData("""{"prompt": "a", "stream": 1}""", 400, "stream", null, "true or false")]
    [InlineData("""{"prompt": "a", "stream_options": {"include_usage": true}}""", 400, "stream_options", null, "only with")]
    [InlineData("""{"prompt": "a", "stream": true, "stream_options": {"fast": true}}""", 400, "stream_options.fast", "unknown_parameter", "fast")]
    [InlineData("""{"prompt": "a", "messages": []}""", 400, "messages", "unknown_parameter", "messages")]
    [InlineData("""{"prompt": "a", "n": 1, "n": 2}""", 400, "n", null, "once")]
    [InlineData("""{"prompt": "a", "logit_bias": {"1": 1, "1": 2}}""", 400, "logit_bias", null, "'logit_bias.1' is given twice")]
    [InlineData("""{"prompt": "a", "new": 1, "new": 2}""", 400, "new", null, "'new' is given twice")]
    [InlineData("""{"prompt": "a", """, 400, null, null, "line 1")]
    [InlineData("""["a"]""", 400, null, null, "line 1")]
    [InlineData("""{"model": "\u001b[2Jgpt"}""", 404, "model", "model_not_found", "'\\u001b[2Jgpt'")]
    [InlineData("""{"prompt": "a", "user": "\u001b[31mroot"}""", 400, "user", null, "\\u001b at place 0")]
    [InlineData("""{"prompt": "a", "user": "me\nwarn: all is lost"}""", 400, "user", null, "\\u000a at place 2")]
    [InlineData("""{"prompt": "a", "user": "me\u202e"}""", 400, "user", null, "\\u202e")]
    [InlineData("""{"prompt": "a", "user": "\ud83d"}""", 400, "user", null, "surrogate")]
    [InlineData("""{"prompt": "a", "model": "\ud83d"}""", 400, "model", null, "surrogate")]
    [InlineData("""{"prompt": "a", "\u001b[2J": 1}""", 400, "\\u001b[2J", "unknown_parameter", "\\u001b[2J")]
    [InlineData("""{"prompt": "a", "\ud83d": 1}""", 400, null, null, "surrogate")]
    [InlineData("""{"prompt": "a", "logit_bias": {"\u001b": 1}}""", 400, "logit_bias", null, "'\\u001b'")]
    [InlineData("""{"prompt": "a", "logit_bias": {"\u001b": "x"}}""", 400, "logit_bias", null, "token ids and numbers")]
    [InlineData("""{"prompt": "a", "logit_bias": {"\ud83d": 1}}""", 400, "logit_bias", null, "surrogate")]
    [InlineData("""{"prompt": "a", "stream": true, "stream_options": {"\u001b": true}}""", 400, "stream_options.\\u001b", "unknown_parameter", "\\u001b")]
    [InlineData("null", 400, null, null, "JSON object")]
    [InlineData("", 400, null, null, "JSON")]
    public async Task WrongRequest_IsRefusedWithWhatIsWrong(string body, int status, string? param, string? code, string part)
    {
        await using var server = await TestServer.StartAsync();
        var (found, error) = await server.RefusedAsync(body);
        Assert.Equal(status, found);
        Assert.Equal("invalid_request_error", (string)error["type"]!);
        Assert.Equal(param, (string?)error["param"]);
        Assert.Equal(code, (string?)error["code"]);
        Assert.Contains(part, (string)error["message"]!, StringComparison.Ordinal);
        Assert.DoesNotContain("ServerSample", (string)error["message"]!, StringComparison.Ordinal);
        Assert.Equal(-1, PrintableText.FindUnprintable((string)error["message"]!));
        Assert.Equal(0, server.Engine.Active + server.Engine.Waiting);
    }

    [Fact]
    public async Task WhatIsNull_IsNotGiven()
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.PostRawAsync("""{"prompt": null, "model": null, "max_tokens": null, "temperature": null, "top_p": null, "n": null, "stream": null, "stream_options": null, "logprobs": null, "echo": false, "stop": null, "logit_bias": null, "seed": null, "user": null, "suffix": null, "best_of": 1}""");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task LimitsOfTheServer_AreKept()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxPromptTokens = 10, MaxTokens = 5, MaxBodyBytes = 2000 });
        var (status, error) = await server.RefusedAsync("""{"prompt": "xxxxxxxxxxx"}""");
        Assert.Equal((400, "context_length_exceeded"), (status, (string?)error["code"]));
        (status, error) = await server.RefusedAsync("""{"prompt": [0,0,0,0,0,0,0,0,0,0,0]}""");
        Assert.Equal((400, "context_length_exceeded"), (status, (string?)error["code"]));
        // Words shorten it, but it is not even encoded.
        (status, error) = await server.RefusedAsync($$"""{"prompt": "{{string.Concat(Enumerable.Repeat(" the", 21))}}"}""");
        Assert.Equal((400, "context_length_exceeded"), (status, (string?)error["code"]));
        (status, error) = await server.RefusedAsync("""{"max_tokens": 6}""");
        Assert.Equal((400, "max_tokens"), (status, (string?)error["param"]));
        Assert.Equal(5, (int)(await server.PostAsync(new JsonObject { ["prompt"] = "the" }))["usage"]!["completion_tokens"]!);

        (status, error) = await server.RefusedAsync($$"""{"prompt": "{{new string('x', 2000)}}"}""");
        Assert.Equal((413, "request_too_large"), (status, (string?)error["code"]));
    }

    [Fact]
    public async Task BodyOfUnknownLength_IsBoundedToo()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBodyBytes = 2000 });
        using var content = new StringContent($$"""{"prompt": "{{new string('x', 100_000)}}"}""", System.Text.Encoding.UTF8, "application/json");
        using var message = new HttpRequestMessage(HttpMethod.Post, "v1/completions") { Content = content };
        message.Headers.TransferEncodingChunked = true;
        using var response = await server.Client.SendAsync(message, TestServer.Cancellation);
        Assert.Equal(413, (int)response.StatusCode);
    }

    [Fact]
    public async Task OtherPathsMethodsAndTypes_AreRefusedInTheSameForm()
    {
        await using var server = await TestServer.StartAsync();
        using var path = await server.Client.GetAsync(new Uri("v1/responses", UriKind.Relative), TestServer.Cancellation);
        Assert.Equal((404, "unknown_url"), await CodeOf(path));
        using var method = await server.Client.GetAsync(new Uri("v1/completions", UriKind.Relative), TestServer.Cancellation);
        Assert.Equal((405, "method_not_allowed"), await CodeOf(method));
        using var type = await server.PostRawAsync("""{"prompt": "a"}""", "text/plain");
        Assert.Equal((415, null), await CodeOf(type));
        foreach (var address in new[] { "v1/%1b%5b2J", "v1/models/%1b%5b2J", $"v1/{new string('x', 1000)}" })
        {
            using var other = await server.Client.GetAsync(new Uri(address, UriKind.Relative), TestServer.Cancellation);
            var message = await MessageOf(other, 404);
            Assert.Equal(-1, PrintableText.FindUnprintable(message));
            Assert.InRange(message.Length, 0, 300);
        }
    }

    [Theory]
    [InlineData("application/json; charset=utf-16", null, "charset 'utf-16'")]
    [InlineData("application/json; charset=\"iso-8859-1\"", null, "charset 'iso-8859-1'")]
    [InlineData("application/json", "gzip", "Content-Encoding is 'gzip'")]
    [InlineData("application/json; charset=UTF-8", null, null)]
    [InlineData("application/json; charset=\"utf-8\"", "identity", null)]
    public async Task BodyThatIsSaidToBeEncodedOtherwise_IsRefusedByThatName(string type, string? encoding, string? part)
    {
        await using var server = await TestServer.StartAsync();
        using var content = new ByteArrayContent("""{"prompt": "a", "max_tokens": 1}"""u8.ToArray());
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        if (encoding is not null) content.Headers.ContentEncoding.Add(encoding);
        using var response = await server.Client.PostAsync(new Uri("v1/completions", UriKind.Relative), content, TestServer.Cancellation);
        if (part is null) Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        else Assert.Contains(part, await MessageOf(response, 415), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("iso-8859-1", "byte 14, 0xf6")]
    [InlineData("utf-16", "UTF-16 or UTF-32")]
    [InlineData("utf-16BE", "UTF-16 or UTF-32")]
    [InlineData("utf-32", "UTF-16 or UTF-32")]
    [InlineData("utf-8", null)]
    public async Task BodyOfAnotherEncoding_IsRefusedByThatCause_WhereverTheTextStands(string encoding, string? part)
    {
        await using var server = await TestServer.StartAsync();
        foreach (var name in new[] { "prompt", "prömpt" })
        {
            using var content = new ByteArrayContent(System.Text.Encoding.GetEncoding(encoding).GetBytes($$"""{"{{name}}": "aö", "max_tokens": 1}"""));
            content.Headers.ContentType = new("application/json");
            using var response = await server.Client.PostAsync(new Uri("v1/completions", UriKind.Relative), content, TestServer.Cancellation);
            if (part is null) Assert.Equal(name == "prompt" ? 200 : 400, (int)response.StatusCode);
            else Assert.Contains(name == "prompt" ? part : part.Replace("14", "5", StringComparison.Ordinal), await MessageOf(response, 400), StringComparison.Ordinal);
        }

        using var marked = new ByteArrayContent([.. "\ufeff{\"max_tokens\": 1}"u8]);
        marked.Headers.ContentType = new("application/json");
        using var taken = await server.Client.PostAsync(new Uri("v1/completions", UriKind.Relative), marked, TestServer.Cancellation);
        Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
    }

    [Theory]
    [InlineData("")]
    [InlineData("monitor")]
    [InlineData("metrics")]
    [InlineData("healthz")]
    [InlineData("readyz")]
    [InlineData("v1/models")]
    [InlineData("v1/models/tiny")]
    public async Task Head_IsAnsweredAsGet_WithoutABody(string path)
    {
        await using var server = await TestServer.StartAsync();
        using var message = new HttpRequestMessage(HttpMethod.Head, path);
        using var head = await server.Client.SendAsync(message, TestServer.Cancellation);
        using var get = await server.Client.GetAsync(new Uri(path, UriKind.Relative), TestServer.Cancellation);
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (head.StatusCode, get.StatusCode));
        Assert.Equal(get.Content.Headers.ContentType?.MediaType, head.Content.Headers.ContentType?.MediaType);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync(TestServer.Cancellation));
    }

    [Fact]
    public async Task NameOfAnotherHost_IsRefusedInTheSameForm()
    {
        await using var server = await TestServer.StartAsync();
        using var message = new HttpRequestMessage(HttpMethod.Get, "monitor");
        message.Headers.Host = "example.com";
        using var response = await server.Client.SendAsync(message, TestServer.Cancellation);
        Assert.Equal((400, "unknown_host"), await CodeOf(response));
    }

    private static async Task<string> MessageOf(HttpResponseMessage response, int status)
    {
        Assert.Equal(status, (int)response.StatusCode);
        return (string)(await response.Content.ReadFromJsonAsync<JsonNode>(TestServer.Cancellation))!["error"]!["message"]!;
    }

    private static async Task<(int Status, string? Code)> CodeOf(HttpResponseMessage response) =>
        ((int)response.StatusCode, (string?)(await response.Content.ReadFromJsonAsync<JsonNode>(TestServer.Cancellation))!["error"]!["code"]);
}
