import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

/** Java's own client, as it is installed: over http it offers h2c with each request. Prints status and body of each answer. */
public class Caller {
    public static void main(String[] words) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int n = 2; n < words.length; n++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(words[0]))
                .header("Authorization", "Bearer " + words[1])
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(words[n]))
                .build();
            var answer = client.send(request, BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.version() + " " + answer.body());
        }
    }
}
