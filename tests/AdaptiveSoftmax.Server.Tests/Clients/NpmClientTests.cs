using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>npm's client, where Node is there and npm finds the package.</summary>
public sealed class NpmClientTests
{
    private const string Package = "openai@7.55.0";

    private const string Program = """
        import OpenAI from 'openai';
        const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'none', maxRetries: 0 });
        const chat = { model: 'tiny', messages: [{ role: 'user', content: 'the cat' }], temperature: 0, max_completion_tokens: 12 };
        const answer = await client.chat.completions.create({ ...chat, logprobs: true, top_logprobs: 2 });
        let streamed = '', usage = null, finish = null;
        for await (const part of await client.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } })) {
          streamed += part.choices[0]?.delta?.content ?? '';
          finish = part.choices[0]?.finish_reason ?? finish;
          usage = part.usage ?? usage;
        }
        const echo = await client.completions.create({ model: 'tiny', prompt: 'the cat', echo: true, logprobs: 1, max_tokens: 0 });
        const models = [];
        for await (const model of client.models.list()) models.push(model.id);
        let status = 0, message = '';
        try { await client.chat.completions.create({ ...chat, n: 99 }); } catch (error) { status = error.status; message = error.message; }
        console.log(JSON.stringify({ text: answer.choices[0].message.content, tops: answer.choices[0].logprobs.content.map(token => token.top_logprobs.length), streamed, usage, finish,
          echo: echo.choices[0].text, logprobs: echo.choices[0].logprobs.token_logprobs, models, status, message }));
        """;

    [Fact]
    public async Task Client_AsksForAllThatItHas()
    {
        var folder = Directory.CreateTempSubdirectory("adaptive-softmax-npm-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "package.json"), """{ "private": true, "type": "module" }""", TestServer.Cancellation);
            await File.WriteAllTextAsync(Path.Combine(folder, "ask.js"), Program, TestServer.Cancellation);
            if (await RunAsync("node", folder, "--version") is not { ExitCode: 0 }) Assert.Skip("Node is not installed.");
            if (await RunAsync("npm", folder, "install", "--no-audit", "--no-fund", "--ignore-scripts", Package) is not { ExitCode: 0 } installed) { Assert.Skip($"npm does not install {Package} here."); return; }

            await using var server = await TestServer.StartAsync();
            var run = (await RunAsync("node", folder, "ask.js", new Uri(server.Address, "v1").ToString()))!.Value;
            Assert.True(run.ExitCode == 0, run.Output + installed.Output);
            var said = JsonNode.Parse(run.Output)!;
            var expected = await server.PostAsync(new JsonObject { ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "the cat" }), ["temperature"] = 0, ["max_tokens"] = 12 }, "v1/chat/completions");
            var text = (string)expected["choices"]![0]!["message"]!["content"]!;
            Assert.NotEmpty(text);
            Assert.Equal((text, text, (string)expected["choices"]![0]!["finish_reason"]!), ((string)said["text"]!, (string)said["streamed"]!, (string)said["finish"]!));
            Assert.All(said["tops"]!.AsArray(), count => Assert.Equal(2, (int)count!));
            Assert.Equal(expected["usage"]!.ToJsonString(), said["usage"]!.ToJsonString());
            Assert.Equal("the cat", (string)said["echo"]!);
            Assert.Null(said["logprobs"]![0]);
            Assert.True((float)said["logprobs"]![1]! < 0);
            Assert.Equal("""["tiny"]""", said["models"]!.ToJsonString());
            Assert.Equal(400, (int)said["status"]!);
            Assert.Contains("'n' is 99", (string)said["message"]!, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Null where there is no such program.
    private static async Task<(int ExitCode, string Output)?> RunAsync(string program, string folder, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var output = process.StandardOutput.ReadToEndAsync(TestServer.Cancellation);
            var errors = process.StandardError.ReadToEndAsync(TestServer.Cancellation);
            await process.WaitForExitAsync(TestServer.Cancellation);
            return (process.ExitCode, process.ExitCode == 0 ? await output : await output + await errors);
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
