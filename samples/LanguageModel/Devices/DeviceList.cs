using System.Globalization;
using AdaptiveSoftmax.Gpu;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>Shows what --device can name.</summary>
internal static class DeviceList
{
    public static void Write(IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn("--device").AddColumn("name").AddColumn(new TableColumn("memory").RightAligned());
        AddRow(new DeviceName(DeviceKind.Cpu), string.Create(CultureInfo.InvariantCulture, $"the processor, {Environment.ProcessorCount} threads"), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        using var context = GpuContext.Create();
        foreach (var kind in new[] { DeviceKind.OpenCl, DeviceKind.Cuda })
        {
            var devices = GpuDevice.Find(context, kind);
            for (var i = 0; i < devices.Count; i++) AddRow(new DeviceName(kind, i), devices[i].Name, devices[i].MemorySize);
        }

        console.Write(table);

        void AddRow(DeviceName name, string device, long bytes) =>
            table.AddRow(new Text(name.ToString()), new Text(device), new Text(string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F1} GB")));
    }
}
