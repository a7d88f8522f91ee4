using Microsoft.AspNetCore.Routing.Matching;

namespace ConcertBooking.Hosting;

/// <summary>Endpoint metadata: the ports that serve it. Without it an endpoint is part of the API and on its port.</summary>
/// <param name="Management">For operators: on the management port, and exempt from rate limits.</param>
/// <param name="Api">On the API's port.</param>
internal sealed record ServedOn(bool Management, bool Api)
{
    public static readonly ServedOn ManagementPort = new(Management: true, Api: false);
    public static readonly ServedOn BothPorts = new(Management: true, Api: true);
    public static readonly ServedOn ApiPort = new(Management: false, Api: true);

    public static ServedOn Of(Endpoint? endpoint) => endpoint?.Metadata.GetMetadata<ServedOn>() ?? ApiPort;
}

/// <summary>
/// Matcher policy that routes by the local port of a connection: an endpoint of the other port does not exist for it, whatever
/// the spelling of the path or the Host header. Runs before matching by method, so that a method that an endpoint does not
/// support is 405 on its own port and 404 on the other.
/// </summary>
internal sealed class PortPolicy(Settings settings) : MatcherPolicy, INodeBuilderPolicy
{
    /// <summary>Before HttpMethodMatcherPolicy (-1000), whose 405 carries no metadata.</summary>
    public override int Order => -2000;

    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) => true;

    public IReadOnlyList<PolicyNodeEdge> GetEdges(IReadOnlyList<Endpoint> endpoints)
    {
        var edges = new List<PolicyNodeEdge>(2);
        foreach (var management in (bool[])[false, true])
        {
            var served = endpoints.Where(endpoint => ServedOn.Of(endpoint) is var on && (management ? on.Management : on.Api)).ToList();
            if (served.Count > 0)
            {
                edges.Add(new PolicyNodeEdge(management, served));
            }
        }

        return edges;
    }

    public PolicyJumpTable BuildJumpTable(int exitDestination, IReadOnlyList<PolicyJumpTableEdge> edges)
    {
        var (api, management) = (exitDestination, exitDestination);
        foreach (var edge in edges)
        {
            if (edge.State is true)
            {
                management = edge.Destination;
            }
            else
            {
                api = edge.Destination;
            }
        }

        return new PortJumpTable(settings.ManagementPort, api, management);
    }

    private sealed class PortJumpTable(int managementPort, int api, int management) : PolicyJumpTable
    {
        public override int GetDestination(HttpContext httpContext) =>
            httpContext.Connection.LocalPort == managementPort ? management : api;
    }
}
