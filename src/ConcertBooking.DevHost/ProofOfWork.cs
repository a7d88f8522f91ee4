using System.Buffers.Binary;
using System.Buffers.Text;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace ConcertBooking.DevHost;

/// <summary>Finds the number that entering a queue may ask for (deploy/security.md, "Proof of work").</summary>
internal static class ProofOfWork
{
    /// <param name="challenge">Its first byte is how many zero bits the hash must begin with.</param>
    /// <returns>The value of the header <c>Proof-Of-Work</c>.</returns>
    public static string Solve(string challenge)
    {
        var bits = Base64Url.DecodeFromChars(challenge)[0];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        for (long number = 0; ; number++)
        {
            var answer = $"{challenge}:{number}";
            SHA256.HashData(Encoding.ASCII.GetBytes(answer), hash);
            if (BitOperations.LeadingZeroCount(BinaryPrimitives.ReadUInt64BigEndian(hash)) >= bits)
            {
                return answer;
            }
        }
    }
}
