using System.Net;
using System.Net.Sockets;

namespace ServerSample;

/// <summary>An address to listen on. Nobody needs a password here, so it is this machine's own unless asked for.</summary>
/// <param name="Address">The IP address; null for both loopback addresses, as <c>localhost</c> means.</param>
/// <param name="Port">The port; 0 for a free one.</param>
internal sealed record ListenAddress(IPAddress? Address, int Port)
{
    /// <summary>What a client writes for the host in a URL.</summary>
    public string Host => Address is null ? "localhost" : Address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{Address}]" : Address.ToString();

    /// <summary>Reads an address.</summary>
    /// <param name="url">Such as <c>http://127.0.0.1:5080</c>, <c>http://localhost:5080</c> or <c>http://[::1]:5080</c>.</param>
    /// <param name="allowRemote">Whether others than loopback addresses may be given.</param>
    /// <param name="error">What is wrong, where the result is null.</param>
    public static ListenAddress? TryParse(string url, bool allowRemote, out string? error)
    {
        error = null;
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme != Uri.UriSchemeHttp || uri.PathAndQuery != "/" || uri.UserInfo.Length > 0 || uri.Fragment.Length > 0)
        {
            error = $"'{url}' is no address to listen on; give one such as http://127.0.0.1:5080.";
            return null;
        }

        if (uri.IdnHost == "localhost") return new ListenAddress(null, uri.Port);
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

    /// <summary>A port that is free on both loopback addresses, or on the only one that the machine has. Another program may take it before it is used.</summary>
    public static int FindFreeLocalPort()
    {
        while (true)
        {
            using var first = Bind(IPAddress.Loopback, 0);
            var port = ((IPEndPoint)first.LocalEndPoint!).Port;
            try
            {
                using var second = Bind(IPAddress.IPv6Loopback, port);
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                continue;
            }
            catch (SocketException)
            {
                // The machine has no IPv6.
            }

            return port;
        }
    }

    private static Socket Bind(IPAddress address, int port)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(address, port));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
