using System.Net;

namespace ServerSample;

/// <summary>An address to listen on. Nobody needs a password here, so it is this machine's own unless asked for.</summary>
/// <param name="Address">The IP address.</param>
/// <param name="Port">The port; 0 for a free one.</param>
internal sealed record ListenAddress(IPAddress Address, int Port)
{
    /// <summary>Reads an address.</summary>
    /// <param name="url">Such as <c>http://127.0.0.1:5080</c>, <c>http://localhost:5080</c> or <c>http://[::1]:5080</c>.</param>
    /// <param name="allowRemote">Whether others than loopback addresses may be given.</param>
    /// <param name="error">What is wrong, where the result is null.</param>
    public static ListenAddress? TryParse(string url, bool allowRemote, out string? error)
    {
        error = null;
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttp || uri.PathAndQuery != "/")
        {
            error = $"'{url}' is no address to listen on; give one such as http://127.0.0.1:5080.";
            return null;
        }

        if (uri.IdnHost == "localhost") return new ListenAddress(IPAddress.Loopback, uri.Port);
        if (!IPAddress.TryParse(uri.IdnHost, out var address))
        {
            error = $"'{url}' has a host name; give an IP address of this machine, or localhost.";
            return null;
        }

        if (!IPAddress.IsLoopback(address) && !allowRemote)
        {
            error = $"'{url}' can be reached from other machines, and the server asks nobody who they are. Put something before it that does and listen on 127.0.0.1, or add --allow-remote.";
            return null;
        }

        return new ListenAddress(address, uri.Port);
    }
}
