import java.io.FileInputStream;
import java.net.InetAddress;
import java.security.KeyStore;
import javax.net.ssl.*;

/** Handshake with 127.0.0.1 under a name, trusting a PKCS#12 store: exit code 0 when it verifies. */
public class Asks {
    public static void main(String[] args) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(args[2]), "changeit".toCharArray());
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        SSLSocketFactory factory = context.getSocketFactory();
        InetAddress there = InetAddress.getByName("127.0.0.1");
        try (SSLSocket socket = (SSLSocket) factory.createSocket(
                new java.net.Socket(there, Integer.parseInt(args[0])), args[1], Integer.parseInt(args[0]), true)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
        }
    }
}
