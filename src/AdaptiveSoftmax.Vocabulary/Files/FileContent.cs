using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>What a file holds, as far as its beginning tells.</summary>
internal enum FileContentKind
{
    Missing,
    Folder,
    DeviceOrPipe,
    Empty,
    TokenTable,
    DomainTable,
    Spec,
    RankFile,
    ShardIndex,
    Json,
    Safetensors,
    PyTorch,
    Pickle,
    NumPy,
    Gguf,
    Hdf5,
    Zip,
    Gzip,
    Bzip2,
    Xz,
    SevenZip,
    Tar,
    Executable,
    Image,
    Pdf,
    Database,
    Zstandard,
    Parquet,
    LfsPointer,
    Html,
    Xml,
    Text,
    Binary,
}

/// <summary>Tells by a file's beginning what it holds, whatever it is called.</summary>
internal static partial class FileContent
{
    private const int Window = 1 << 16;
    private const int TarMark = 257;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>What a path leads to. Devices and pipes are not read.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static FileContentKind Find(string path)
    {
        if (Directory.Exists(path)) return FileContentKind.Folder;
        // A link to nothing counts as a file with .NET.
        if (!File.Exists(path) || FileId.Find(path) is null) return FileContentKind.Missing;
        if (UnixFiles.IsSupported && UnixFiles.FindStatus(path) is { Kind: not UnixFileKind.Regular }) return FileContentKind.DeviceOrPipe;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
        var start = new byte[Math.Min(Window, stream.Length)];
        return Find(start.AsSpan(0, stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)), stream.Length);
    }

    /// <summary>What a file holds that begins so.</summary>
    /// <param name="start">Its beginning.</param>
    /// <param name="length">Its whole length in bytes.</param>
    public static FileContentKind Find(ReadOnlySpan<byte> start, long length)
    {
        if (start.StartsWith("\ufeff"u8)) start = start["\ufeff"u8.Length..];
        if (start.IsEmpty) return FileContentKind.Empty;
        if (start.StartsWith("version https://git-lfs.github.com/spec/"u8)) return FileContentKind.LfsPointer;
        if (start.StartsWith("PK\u0003\u0004"u8)) return FindZip(start);
        if (start.StartsWith("PK\u0005\u0006"u8) || start.StartsWith("PK\u0007\u0008"u8)) return FileContentKind.Zip;
        if (start is [0x1F, 0x8B, ..]) return FileContentKind.Gzip;
        if (start is [0x28, 0xB5, 0x2F, 0xFD, ..]) return FileContentKind.Zstandard;
        if (start.StartsWith("PAR1"u8) && length > 12) return FileContentKind.Parquet;
        if (FindBySignature(start) is { } known) return known;
        if (start.StartsWith("GGUF"u8)) return FileContentKind.Gguf;
        if (start.Length > 6 && start[0] == 0x93 && start[1..].StartsWith("NUMPY"u8)) return FileContentKind.NumPy;
        if (start.Length > 4 && start[0] == 0x89 && start[1..].StartsWith("HDF"u8)) return FileContentKind.Hdf5;
        if (start.Length > 8 && start[8] == '{' && BinaryPrimitives.ReadInt64LittleEndian(start) is > 1 and var header && header <= length - 8) return FileContentKind.Safetensors;
        if (start is [0x80, >= 2 and <= 5, ..]) return FileContentKind.Pickle;

        var visible = start.TrimStart(" \t\r\n"u8);
        if (visible.StartsWith("<"u8)) return FindMarkup(visible);
        if (visible is [(byte)'{' or (byte)'[', ..] && FindJson(visible, isWhole: start.Length >= length) is { } json) return json;
        var end = start.IndexOfAny((byte)'\n', (byte)'\r');
        var firstLine = Encoding.Latin1.GetString(end < 0 ? start : start[..end]);
        if (TableLine().IsMatch(firstLine)) return FileContentKind.TokenTable;
        if (DomainLine().IsMatch(firstLine)) return FileContentKind.DomainTable;
        if (RankLine().IsMatch(firstLine)) return FileContentKind.RankFile;
        return IsText(start, length) ? FileContentKind.Text : FileContentKind.Binary;
    }

    /// <summary>The kind as words that follow "is".</summary>
    public static string Describe(FileContentKind kind) => kind switch
    {
        FileContentKind.Missing => "not there",
        FileContentKind.Folder => "a folder",
        FileContentKind.DeviceOrPipe => "a device or a pipe",
        FileContentKind.Empty => "an empty file",
        FileContentKind.TokenTable => "a token table",
        FileContentKind.DomainTable => "a table of counts by domain",
        FileContentKind.Spec => "a spec",
        FileContentKind.RankFile => "a tokenizer's rank file",
        FileContentKind.ShardIndex => "the index of weights that lie in several files",
        FileContentKind.Json => "JSON",
        FileContentKind.Safetensors => "a file of weights, in safetensors",
        FileContentKind.PyTorch => "a file that torch.save wrote",
        FileContentKind.Pickle => "a pickle of Python's",
        FileContentKind.NumPy => "a file of NumPy arrays",
        FileContentKind.Gguf => "a model in GGUF",
        FileContentKind.Hdf5 => "a file in HDF5",
        FileContentKind.Zip => "a zip archive",
        FileContentKind.Gzip => "compressed with gzip",
        FileContentKind.Bzip2 => "compressed with bzip2",
        FileContentKind.Xz => "compressed with xz",
        FileContentKind.SevenZip => "a 7z archive",
        FileContentKind.Tar => "a tar archive",
        FileContentKind.Executable => "a program or library",
        FileContentKind.Image => "an image",
        FileContentKind.Pdf => "a PDF",
        FileContentKind.Database => "an SQLite database",
        FileContentKind.Zstandard => "compressed with zstd",
        FileContentKind.Parquet => "a table in Parquet",
        FileContentKind.LfsPointer => "a pointer of Git LFS, without the content, which `git lfs pull` fetches",
        FileContentKind.Html => "a web page",
        FileContentKind.Xml => "XML",
        FileContentKind.Text => "plain text",
        _ => "binary data of a kind that is not known here",
    };

    // Signatures that no text and no header of safetensors begins with.
    private static FileContentKind? FindBySignature(ReadOnlySpan<byte> start) => start switch
    {
        [(byte)'B', (byte)'Z', (byte)'h', >= (byte)'1' and <= (byte)'9', 0x31, 0x41, 0x59, 0x26, ..] => FileContentKind.Bzip2,
        [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, ..] => FileContentKind.Xz,
        [(byte)'7', (byte)'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => FileContentKind.SevenZip,
        [0x7F, (byte)'E', (byte)'L', (byte)'F', ..] or [(byte)'M', (byte)'Z', 0x90, 0, ..] or [0xCF, 0xFA, 0xED, 0xFE, ..] => FileContentKind.Executable,
        [0x89, (byte)'P', (byte)'N', (byte)'G', ..] or [0xFF, 0xD8, 0xFF, ..] or [(byte)'G', (byte)'I', (byte)'F', (byte)'8', ..] => FileContentKind.Image,
        [(byte)'%', (byte)'P', (byte)'D', (byte)'F', (byte)'-', ..] => FileContentKind.Pdf,
        _ when start.StartsWith("SQLite format 3\0"u8) => FileContentKind.Database,
        _ when start.Length > TarMark + 5 && start[TarMark..].StartsWith("ustar"u8) => FileContentKind.Tar,
        _ => null,
    };

    private static FileContentKind FindZip(ReadOnlySpan<byte> start)
    {
        const int NameLength = 26;
        const int Name = 30;
        if (start.Length < Name) return FileContentKind.Zip;
        var name = Encoding.UTF8.GetString(start.Slice(Name, Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(start[NameLength..]), start.Length - Name)));
        if (name.EndsWith(".npy", StringComparison.Ordinal)) return FileContentKind.NumPy;
        var isPyTorch = name.EndsWith("data.pkl", StringComparison.Ordinal) || name.Contains("/data/", StringComparison.Ordinal)
            || name.EndsWith("/version", StringComparison.Ordinal) || name.EndsWith("/byteorder", StringComparison.Ordinal) || name.EndsWith("/.format_version", StringComparison.Ordinal);
        return isPyTorch ? FileContentKind.PyTorch : FileContentKind.Zip;
    }

    private static FileContentKind FindMarkup(ReadOnlySpan<byte> start)
    {
        var text = Encoding.Latin1.GetString(start[..Math.Min(start.Length, 256)]);
        if (text.Contains("<html", StringComparison.OrdinalIgnoreCase) || text.StartsWith("<!doctype html", StringComparison.OrdinalIgnoreCase)) return FileContentKind.Html;
        return text.StartsWith("<?xml", StringComparison.Ordinal) || text.StartsWith("<doc", StringComparison.Ordinal) ? FileContentKind.Xml : FileContentKind.Text;
    }

    // Null for what only begins like JSON. A spec is known by its members even where it is broken further on.
    private static FileContentKind? FindJson(ReadOnlySpan<byte> start, bool isWhole)
    {
        var options = new JsonReaderOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, AllowMultipleValues = true };
        var reader = new Utf8JsonReader(start, isWhole, new JsonReaderState(options));
        FileContentKind? known = null;
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1) continue;
                if (reader.ValueTextEquals("hiddenSize"u8) || reader.ValueTextEquals("cutoffs"u8)) known ??= FileContentKind.Spec;
                if (reader.ValueTextEquals("weight_map"u8)) known ??= FileContentKind.ShardIndex;
            }

            return known ?? FileContentKind.Json;
        }
        catch (JsonException)
        {
            return known;
        }
    }

    private static bool IsText(ReadOnlySpan<byte> start, long length)
    {
        if (start.Contains((byte)0)) return false;
        try
        {
            // The window may end inside a character.
            s_utf8.GetDecoder().GetCharCount(start, flush: start.Length >= length);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"^([0-9]{1,10}\t[0-9]{1,19}|#pinned|#kept|#shard)\t")]
    private static partial Regex TableLine();

    [GeneratedRegex(@"^domain\tid\tcount$")]
    private static partial Regex DomainLine();

    [GeneratedRegex(@"^[A-Za-z0-9+/=]+ [0-9]{1,10}$")]
    private static partial Regex RankLine();
}
