# SPDX-License-Identifier: Apache-2.0
"""Certificates made at test time: authorities, intermediates, leaves, lists of revocations, OCSP responses.

    root = Identity("Root", authority=True)
    middle = Identity("Middle", root, authority=True)
    server = Identity("weir.test", middle, names=["weir.test", "*.weir.test", "127.0.0.1"])
    certificate, key = server.save(folder)      # paths: the chain without the root, and the key (mode 0600)
    root.save(folder)                           # its .pem is what clients trust

Keys are ECDSA P-256 unless asked for; all that can be wrong with a certificate is a parameter.
"""
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PURPOSES = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
    "mail": [ExtendedKeyUsageOID.EMAIL_PROTECTION],
}

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


def days(count):
    """So many days from now."""
    return datetime.datetime.utcnow() + datetime.timedelta(days=count)


def title(name):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Weir Scenes"),
                      x509.NameAttribute(NameOID.COMMON_NAME, name)])


def alternative(name):
    """What a subject alternative name is by its looks: an address, a URI, a mail address or a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


class Identity:
    """A certificate with its key, by `issuer` (an Identity), or self-signed. `begins` and `ends` are days from now,
    `purpose` one of PURPOSES or None, `key` "ecdsa", "rsa" or another Identity whose key it shall be."""

    def __init__(self, name, issuer=None, authority=False, names=(), begins=-1, ends=30, purpose="server",
                 key="ecdsa", serial=None, depth=None):
        self.name, self.issuer = name, issuer
        if isinstance(key, Identity):
            self.key = key.key
        else:
            self.key = (rsa.generate_private_key(65537, 2048) if key == "rsa" else
                        ec.generate_private_key(ec.SECP256R1()))
        signer = issuer if issuer is not None else self
        builder = (x509.CertificateBuilder()
                   .subject_name(title(name)).issuer_name(title(signer.name)).public_key(self.key.public_key())
                   .serial_number(serial if serial is not None else x509.random_serial_number())
                   .not_valid_before(days(begins)).not_valid_after(days(ends))
                   .add_extension(x509.BasicConstraints(authority, depth if authority else None), True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False)
                   .add_extension(self.usage(authority), True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative(n) for n in names]), False)
        if purpose is not None and not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage(PURPOSES[purpose]), False)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @staticmethod
    def usage(authority):
        return x509.KeyUsage(digital_signature=True, key_cert_sign=authority, crl_sign=authority,
                             content_commitment=False, key_encipherment=False, data_encipherment=False,
                             key_agreement=False, encipher_only=False, decipher_only=False)

    @property
    def pem(self):
        return self.certificate.public_bytes(PEM)

    @property
    def der(self):
        return self.certificate.public_bytes(DER)

    @property
    def serial(self):
        return self.certificate.serial_number

    @property
    def fingerprint(self):
        """SHA-256 of the DER, in lower case hexadecimal."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def secret(self):
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    @property
    def chain(self):
        """The certificate and those of its issuers, without a root."""
        text, at = self.pem, self.issuer
        while at is not None and at.issuer is not None:
            text, at = text + at.pem, at.issuer
        return text

    def save(self, folder, name=None):
        """Write NAME.pem (the chain) and NAME.key; their paths. The name is the identity's own if none is given."""
        base = os.path.join(folder, name or self.name.replace(" ", "-"))
        write(base + ".pem", self.chain)
        write(base + ".key", self.secret)
        return base + ".pem", base + ".key"

    def revoke(self, *revoked, begins=-1, ends=30):
        """This authority's list of revocations, in PEM."""
        builder = (x509.CertificateRevocationListBuilder().issuer_name(title(self.name))
                   .last_update(days(begins)).next_update(days(ends))
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
                   .add_extension(x509.CRLNumber(1), False))
        for identity in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(identity.serial).revocation_date(days(-1)).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM)

    def staple(self, begins=-1, ends=7, status="good"):
        """What the issuer's OCSP responder says of it, in DER."""
        revoked = status == "revoked"
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=self.certificate, issuer=self.issuer.certificate, algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=days(begins), next_update=days(ends),
            revocation_time=days(-1) if revoked else None, revocation_reason=None)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.issuer.certificate)
        return builder.sign(self.issuer.key, hashes.SHA256()).public_bytes(DER)


def write(path, data, mode=0o600):
    """A new file with this content in the place of what was there, at once: as a careful operator replaces one."""
    with open(path + ".new", "wb", opener=lambda name, flags: os.open(name, flags, mode)) as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)
    return path
