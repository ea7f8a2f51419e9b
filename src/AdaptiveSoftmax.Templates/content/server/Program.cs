using Company.Words;

const string Text = "the cold river runs from the old hills to the sea and a boat sails with the wind to the harbour";

// Trained at the start, since it takes a moment; a real model is loaded: WordSoftmax.Load("words.safetensors").
using var model = new NextWord();
var loss = model.Learn(Text, steps: 101).Last();

var app = WebApplication.CreateBuilder(args).Build();
Console.WriteLine($"Trained to a loss of {loss:F3}; try /next/boat");
app.MapGet("/next/{word}", (string word, int count = 3) =>
{
    if (count is < 1 or > WordSoftmax.VocabularySize) return Results.BadRequest($"count is {count}; ask for 1 to {WordSoftmax.VocabularySize} words.");
    try
    {
        return Results.Ok(model.After(word, count).Select(next => new { next.Word, next.Probability }));
    }
    catch (ArgumentException exception)
    {
        return Results.NotFound(exception.Message);
    }
});
app.Run();
