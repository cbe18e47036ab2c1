// Jetty 9 with its own continuations: suspend, and the servlet runs again.
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.eclipse.jetty.continuation.Continuation;
import org.eclipse.jetty.continuation.ContinuationListener;
import org.eclipse.jetty.continuation.ContinuationSupport;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

public class Hold extends HttpServlet {
  private final long timeout;
  private final Map<String, Set<Continuation>> lines = new ConcurrentHashMap<>();

  Hold(long timeout) {
    this.timeout = timeout;
  }

  @Override
  protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
    if (request.getServletPath().equals("/probe")) {
      response.getOutputStream().print("here");
      return;
    }
    if (request.getServletPath().equals("/held")) {
      response.getOutputStream().print(lines.values().stream().mapToInt(Set::size).sum());
      return;
    }
    Continuation continuation = ContinuationSupport.getContinuation(request);
    if (continuation.isInitial()) {
      String key = request.getPathInfo();
      continuation.setTimeout(timeout);
      continuation.suspend(response);
      lines.compute(key, (k, line) -> {
        Set<Continuation> all = line == null ? new LinkedHashSet<>() : line;
        all.add(continuation);
        return all;
      });
      continuation.addContinuationListener(new ContinuationListener() {
        public void onComplete(Continuation over) {
          leave(key, over);
        }

        public void onTimeout(Continuation over) {
          leave(key, over);
        }
      });
      return;
    }
    if (continuation.isExpired()) {
      response.setStatus(204);
      return;
    }
    byte[] message = (byte[]) continuation.getAttribute("message");
    response.setContentLength(message.length);
    response.getOutputStream().write(message);
  }

  private void leave(String key, Continuation over) {
    lines.computeIfPresent(key, (k, line) -> {
      line.remove(over);
      return line.isEmpty() ? null : line;
    });
  }

  @Override
  protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
    String text = new String(request.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    // {"data":"…"}, and nothing in the message that JSON would escape
    byte[] message = text.substring(text.indexOf(':') + 2, text.lastIndexOf('"')).getBytes(StandardCharsets.UTF_8);
    Set<Continuation> waiting = lines.remove(request.getPathInfo());
    if (waiting != null) {
      for (Continuation one : waiting) {
        one.setAttribute("message", message);
        one.resume();
      }
    }
    response.getOutputStream().print(waiting == null ? 0 : waiting.size());
  }

  public static void main(String[] args) throws Exception {
    Server server = new Server();
    HttpConfiguration configuration = new HttpConfiguration();
    configuration.setSendServerVersion(false);
    ServerConnector connector = new ServerConnector(server, 1, 1, new HttpConnectionFactory(configuration));
    connector.setHost("127.0.0.1");
    connector.setPort(Integer.parseInt(args[0]));
    connector.setAcceptQueueSize(4096);
    connector.setIdleTimeout(3_600_000);
    server.addConnector(connector);
    ServletContextHandler handler = new ServletContextHandler();
    ServletHolder holder = new ServletHolder(new Hold(Long.parseLong(args[1])));
    holder.setAsyncSupported(true);
    for (String path : new String[] {"/hold/*", "/publish/*", "/held", "/probe"}) handler.addServlet(holder, path);
    server.setHandler(handler);
    server.start();
    server.join();
  }
}
