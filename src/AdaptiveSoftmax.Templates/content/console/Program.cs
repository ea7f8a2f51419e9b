using Company.Words;

const string Text = "the cold river runs from the old hills to the sea and a boat sails with the wind to the harbour";

using var model = new NextWord();
var step = 0;
foreach (var loss in model.Learn(Text, steps: 101))
{
    if (step % 20 == 0) Console.WriteLine($"step {step}: loss {loss:F3}");
    step++;
}

foreach (var (word, probability) in model.After("boat")) Console.WriteLine($"boat {word}: {probability:P1}");
