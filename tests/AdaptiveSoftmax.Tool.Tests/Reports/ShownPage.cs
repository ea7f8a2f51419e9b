using System.Globalization;
using AdaptiveSoftmax.Tests;
using OpenQA.Selenium;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>A page in a real browser, and what is drawn of it.</summary>
internal sealed class ShownPage : IDisposable
{
    private readonly string _address;
    private readonly string _colours;

    /// <param name="path">The page.</param>
    /// <param name="colours">light or dark, as the reader prefers.</param>
    /// <param name="width">The width of the window.</param>
    public ShownPage(string path, string colours, int width)
    {
        (_address, _colours) = (new Uri(path).AbsoluteUri, colours);
        Browser = new Browser(width);
        Browser.PreferColours(colours);
        Browser.Page.Navigate().GoToUrl(_address);
    }

    public Browser Browser { get; }

    public string[] Titles => [.. Browser.Page.FindElements(By.TagName("h2")).Select(title => title.Text)];

    /// <summary>The elements of a kind in the section of a title, as they were drawn.</summary>
    public IReadOnlyList<Drawn> Find(string section, string kind, string ofClass) =>
    [
        .. ((IReadOnlyCollection<object>)Browser.Page.ExecuteScript(
            "const section=[...document.querySelectorAll('section')].find(one=>one.querySelector('h2').textContent===arguments[0]);"
            + "return [...section.querySelectorAll(arguments[1]+'.'+arguments[2])].map(one=>{const box=one.getBoundingClientRect(),style=getComputedStyle(one);return [box.left,box.top,box.width,box.height,one.textContent,style.fill,style.stroke,one.getAttribute('points')??'']})",
            section,
            kind,
            ofClass)!).Cast<IReadOnlyList<object>>().Select(one => new Drawn(Number(one[0]), Number(one[1]), Number(one[2]), Number(one[3]), (string)one[4], (string)one[5], (string)one[6], (string)one[7])),
    ];

    /// <summary>What holds for every page: its reader's colours, a narrow window, no network and no complaint of the browser.</summary>
    public void CheckAll()
    {
        Assert.Equal(_colours == "dark", Brightness("document.body", "backgroundColor") < 100);
        Assert.Equal(_colours == "dark", Brightness("document.querySelector('h2')", "color") > 150);
        // Only tables and charts may be wider than the screen, and these scroll by themselves.
        Assert.True((bool)Browser.Page.ExecuteScript("return document.documentElement.scrollWidth <= window.innerWidth")!);
        Assert.Empty(Browser.Page.Manage().Logs.GetLog(LogType.Browser));
        Assert.All(Browser.TakeRequests(), address => Assert.Equal(_address, address));
        if (Environment.GetEnvironmentVariable("SHOWN_PAGES") is { } folder) Browser.Page.GetScreenshot().SaveAsFile(Path.Combine(folder, $"{Path.GetFileNameWithoutExtension(_address)}-{_colours}.png"));
    }

    public void Dispose() => Browser.Dispose();

    private int Brightness(string element, string property)
    {
        var colour = (string)Browser.Page.ExecuteScript($"return getComputedStyle({element}).{property}")!;
        return (int)colour.Split('(', ',', ')')[1..4].Average(part => double.Parse(part, CultureInfo.InvariantCulture));
    }

    private static double Number(object value) => Convert.ToDouble(value, CultureInfo.InvariantCulture);
}

/// <summary>An element of a chart on the screen, in pixels.</summary>
internal sealed record Drawn(double Left, double Top, double Width, double Height, string Text, string Fill, string Stroke, string Points);
